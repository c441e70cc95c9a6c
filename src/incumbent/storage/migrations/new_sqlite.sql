CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE settings (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_settings PRIMARY KEY (name)
);

CREATE TABLE documents (
	digest TEXT NOT NULL, 
	body BLOB NOT NULL, 
	stored_at BIGINT NOT NULL, 
	CONSTRAINT pk_documents PRIMARY KEY (digest)
);

CREATE TABLE actions (
	"key" TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	outputs TEXT NOT NULL, 
	metrics TEXT NOT NULL, 
	undeclared TEXT NOT NULL, 
	log TEXT, 
	wall_s DOUBLE NOT NULL, 
	cpu_s DOUBLE NOT NULL, 
	rss_bytes_max BIGINT NOT NULL, 
	run_id TEXT NOT NULL, 
	created_at BIGINT NOT NULL, proof TEXT, 
	CONSTRAINT pk_actions PRIMARY KEY ("key")
);

CREATE TABLE action_outputs (
	digest TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	CONSTRAINT pk_action_outputs PRIMARY KEY (digest, "key"), 
	CONSTRAINT fk_action_outputs_key FOREIGN KEY("key") REFERENCES actions ("key")
)
 WITHOUT ROWID;

CREATE INDEX ix_action_outputs_key ON action_outputs ("key");

CREATE TABLE claims (
	"key" TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_claims PRIMARY KEY ("key")
)
 WITHOUT ROWID;

CREATE INDEX ix_claims_owner ON claims (owner);

CREATE TABLE experiments (
	experiment_no INTEGER NOT NULL, 
	name TEXT NOT NULL, created_at BIGINT, updated_at BIGINT, deleted_at BIGINT, 
	CONSTRAINT pk_experiments PRIMARY KEY (experiment_no), 
	CONSTRAINT uq_experiments_name UNIQUE (name)
);

CREATE TABLE runs (
	run_no INTEGER NOT NULL, 
	run_id TEXT NOT NULL, 
	experiment_no INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	pipeline TEXT NOT NULL, 
	parent_id TEXT, 
	state TEXT NOT NULL, 
	started_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	seed BIGINT, 
	commit_hash TEXT NOT NULL, 
	is_dirty BIGINT NOT NULL, 
	dirty_tree TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	manifest TEXT, deleted_at BIGINT, 
	CONSTRAINT pk_runs PRIMARY KEY (run_no), 
	CONSTRAINT ck_runs_state CHECK (state IN ('running', 'finished', 'failed', 'killed')), 
	CONSTRAINT fk_runs_experiment_no FOREIGN KEY(experiment_no) REFERENCES experiments (experiment_no), 
	CONSTRAINT uq_runs_run_id UNIQUE (run_id)
);

CREATE INDEX ix_runs_experiment_no ON runs (experiment_no);

CREATE INDEX ix_runs_parent_id ON runs (parent_id);

CREATE INDEX ix_runs_pipeline_state_started_at ON runs (pipeline, state, started_at);

CREATE INDEX ix_runs_started_at ON runs (started_at);

CREATE TABLE params (
	run_no INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	text TEXT NOT NULL, 
	number DOUBLE, 
	CONSTRAINT pk_params PRIMARY KEY (run_no, name), 
	CONSTRAINT fk_params_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no)
)
 WITHOUT ROWID;

CREATE INDEX ix_params_name_number ON params (name, number);

CREATE TABLE tags (
	run_no INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_tags PRIMARY KEY (run_no, name), 
	CONSTRAINT fk_tags_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no)
)
 WITHOUT ROWID;

CREATE TABLE stage_runs (
	stage_run_no INTEGER NOT NULL, 
	run_no INTEGER NOT NULL, 
	stage TEXT NOT NULL, 
	item BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	"key" TEXT, 
	inputs TEXT NOT NULL, 
	outputs TEXT NOT NULL, 
	log TEXT, 
	wall_s DOUBLE NOT NULL, 
	cpu_s DOUBLE NOT NULL, 
	rss_bytes_max BIGINT NOT NULL, 
	why TEXT NOT NULL, 
	CONSTRAINT pk_stage_runs PRIMARY KEY (stage_run_no), 
	CONSTRAINT fk_stage_runs_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no), 
	CONSTRAINT uq_stage_runs_run_no_stage_item UNIQUE (run_no, stage, item)
);

CREATE TABLE stage_artifacts (
	direction TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	run_no INTEGER NOT NULL, 
	stage TEXT NOT NULL, 
	item BIGINT NOT NULL, 
	CONSTRAINT pk_stage_artifacts PRIMARY KEY (digest, direction, run_no, stage, item), 
	CONSTRAINT fk_stage_artifacts_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no)
)
 WITHOUT ROWID;

CREATE INDEX ix_stage_artifacts_run_no ON stage_artifacts (run_no);

CREATE TABLE run_artifacts (
	run_no INTEGER NOT NULL, 
	direction TEXT NOT NULL, 
	name TEXT NOT NULL, 
	codec TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	file_name TEXT NOT NULL, 
	media_type TEXT NOT NULL, 
	CONSTRAINT pk_run_artifacts PRIMARY KEY (run_no, direction, name), 
	CONSTRAINT fk_run_artifacts_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no)
);

CREATE INDEX ix_run_artifacts_digest ON run_artifacts (digest);

CREATE TABLE run_notes (
	note_no INTEGER NOT NULL, 
	run_no INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_run_notes PRIMARY KEY (note_no), 
	CONSTRAINT fk_run_notes_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no)
);

CREATE INDEX ix_run_notes_run_no ON run_notes (run_no);

CREATE TABLE metric_writers (
	writer_no INTEGER NOT NULL, 
	run_no INTEGER NOT NULL, 
	writer TEXT NOT NULL, 
	CONSTRAINT pk_metric_writers PRIMARY KEY (writer_no), 
	CONSTRAINT fk_metric_writers_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no), 
	CONSTRAINT uq_metric_writers_run_no_writer UNIQUE (run_no, writer)
);

CREATE TABLE metric_series (
	series_no INTEGER NOT NULL, 
	run_no INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	last_step BIGINT, 
	last_at BIGINT, 
	last_value DOUBLE, 
	last_writer BIGINT, 
	last_seq BIGINT, 
	CONSTRAINT pk_metric_series PRIMARY KEY (series_no), 
	CONSTRAINT fk_metric_series_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no), 
	CONSTRAINT uq_metric_series_run_no_name UNIQUE (run_no, name)
);

CREATE INDEX ix_metric_series_name_last_value ON metric_series (name, last_value);

CREATE TABLE metric_points (
	writer_no INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	series_no INTEGER NOT NULL, 
	step BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	value DOUBLE, 
	CONSTRAINT pk_metric_points PRIMARY KEY (writer_no, seq), 
	CONSTRAINT fk_metric_points_series_no FOREIGN KEY(series_no) REFERENCES metric_series (series_no), 
	CONSTRAINT fk_metric_points_writer_no FOREIGN KEY(writer_no) REFERENCES metric_writers (writer_no)
)
 WITHOUT ROWID;

CREATE TABLE models (
	model TEXT NOT NULL, 
	last_version BIGINT NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (model)
);

CREATE TABLE model_versions (
	model TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	bundle TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	"key" TEXT, 
	manifest TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	facts TEXT NOT NULL, ledger_seq BIGINT, 
	CONSTRAINT pk_model_versions PRIMARY KEY (model, version), 
	CONSTRAINT fk_model_versions_model FOREIGN KEY(model) REFERENCES models (model)
);

CREATE INDEX ix_model_versions_run_id ON model_versions (run_id);

CREATE TABLE placements (
	placement_no INTEGER NOT NULL, 
	slot TEXT NOT NULL, 
	model TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	status TEXT NOT NULL, 
	since_at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	is_current BIGINT NOT NULL, ledger_seq BIGINT, 
	CONSTRAINT pk_placements PRIMARY KEY (placement_no), 
	CONSTRAINT ck_placements_status CHECK (status IN ('Staging', 'Production', 'Archived')), 
	CONSTRAINT fk_placements_model_version FOREIGN KEY(model, version) REFERENCES model_versions (model, version)
);

CREATE INDEX ix_placements_model_version ON placements (model, version);

CREATE INDEX ix_placements_slot ON placements (slot);

CREATE UNIQUE INDEX uq_placements_one_live_per_slot ON placements (slot) WHERE status = 'Production' AND is_current = 1;

CREATE UNIQUE INDEX uq_placements_one_status_per_version ON placements (slot, model, version) WHERE is_current = 1;

CREATE TABLE predictions (
	prediction_id TEXT NOT NULL, 
	slot TEXT NOT NULL, 
	model TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	inputs TEXT NOT NULL, 
	output TEXT NOT NULL, 
	latency_ms DOUBLE NOT NULL, 
	CONSTRAINT pk_predictions PRIMARY KEY (prediction_id)
);

CREATE INDEX ix_predictions_slot_at ON predictions (slot, at);

CREATE TRIGGER runs_sealed_update BEFORE UPDATE ON runs FOR EACH ROW WHEN OLD.manifest IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER runs_sealed_delete BEFORE DELETE ON runs FOR EACH ROW WHEN OLD.manifest IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER params_sealed_insert BEFORE INSERT ON params FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER params_sealed_update BEFORE UPDATE ON params FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL OR (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER params_sealed_delete BEFORE DELETE ON params FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER tags_sealed_insert BEFORE INSERT ON tags FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER tags_sealed_update BEFORE UPDATE ON tags FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL OR (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER tags_sealed_delete BEFORE DELETE ON tags FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER stage_runs_sealed_insert BEFORE INSERT ON stage_runs FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER stage_runs_sealed_update BEFORE UPDATE ON stage_runs FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL OR (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER stage_runs_sealed_delete BEFORE DELETE ON stage_runs FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER stage_artifacts_sealed_insert BEFORE INSERT ON stage_artifacts FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER stage_artifacts_sealed_update BEFORE UPDATE ON stage_artifacts FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL OR (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER stage_artifacts_sealed_delete BEFORE DELETE ON stage_artifacts FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER run_artifacts_sealed_insert BEFORE INSERT ON run_artifacts FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER run_artifacts_sealed_update BEFORE UPDATE ON run_artifacts FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL OR (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER run_artifacts_sealed_delete BEFORE DELETE ON run_artifacts FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER metric_writers_sealed_insert BEFORE INSERT ON metric_writers FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER metric_writers_sealed_update BEFORE UPDATE ON metric_writers FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL OR (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER metric_writers_sealed_delete BEFORE DELETE ON metric_writers FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER metric_series_sealed_insert BEFORE INSERT ON metric_series FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER metric_series_sealed_update BEFORE UPDATE ON metric_series FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL OR (SELECT manifest FROM runs WHERE run_no = NEW.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER metric_series_sealed_delete BEFORE DELETE ON metric_series FOR EACH ROW WHEN (SELECT manifest FROM runs WHERE run_no = OLD.run_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER metric_points_sealed_insert BEFORE INSERT ON metric_points FOR EACH ROW WHEN (SELECT runs.manifest FROM metric_writers JOIN runs ON runs.run_no = metric_writers.run_no WHERE metric_writers.writer_no = NEW.writer_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER metric_points_sealed_update BEFORE UPDATE ON metric_points FOR EACH ROW WHEN (SELECT runs.manifest FROM metric_writers JOIN runs ON runs.run_no = metric_writers.run_no WHERE metric_writers.writer_no = OLD.writer_no) IS NOT NULL OR (SELECT runs.manifest FROM metric_writers JOIN runs ON runs.run_no = metric_writers.run_no WHERE metric_writers.writer_no = NEW.writer_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER metric_points_sealed_delete BEFORE DELETE ON metric_points FOR EACH ROW WHEN (SELECT runs.manifest FROM metric_writers JOIN runs ON runs.run_no = metric_writers.run_no WHERE metric_writers.writer_no = OLD.writer_no) IS NOT NULL BEGIN SELECT RAISE(ABORT, 'this run is sealed: its record is final; add a note, or make a new run'); END;

CREATE TRIGGER run_notes_kept_update BEFORE UPDATE ON run_notes FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'a record of this kind is never changed or removed'); END;

CREATE TRIGGER run_notes_kept_delete BEFORE DELETE ON run_notes FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'a record of this kind is never changed or removed'); END;

CREATE TRIGGER model_versions_kept_update BEFORE UPDATE ON model_versions FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'a record of this kind is never changed or removed'); END;

CREATE TRIGGER model_versions_kept_delete BEFORE DELETE ON model_versions FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'a record of this kind is never changed or removed'); END;

CREATE TRIGGER predictions_kept_update BEFORE UPDATE ON predictions FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'a record of this kind is never changed or removed'); END;

CREATE TRIGGER predictions_kept_delete BEFORE DELETE ON predictions FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'a record of this kind is never changed or removed'); END;

CREATE TRIGGER placements_kept_update BEFORE UPDATE ON placements FOR EACH ROW WHEN OLD.placement_no <> NEW.placement_no OR OLD.slot <> NEW.slot OR OLD.model <> NEW.model OR OLD.version <> NEW.version OR OLD.status <> NEW.status OR OLD.since_at <> NEW.since_at OR OLD.actor <> NEW.actor OR OLD.reason <> NEW.reason BEGIN SELECT RAISE(ABORT, 'a placement is history: only which one is current may change'); END;

CREATE TRIGGER placements_kept_delete BEFORE DELETE ON placements FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'a record of this kind is never changed or removed'); END;

CREATE TABLE ledger_entries (
	seq INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	act TEXT NOT NULL, 
	object TEXT NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_ledger_entries PRIMARY KEY (seq)
);

CREATE INDEX ix_ledger_entries_object_seq ON ledger_entries (object, seq);

CREATE INDEX ix_ledger_entries_act_seq ON ledger_entries (act, seq);

CREATE TABLE ledger_nodes (
	level BIGINT NOT NULL, 
	idx BIGINT NOT NULL, 
	hash BLOB NOT NULL, 
	CONSTRAINT pk_ledger_nodes PRIMARY KEY (level, idx)
)
 WITHOUT ROWID;

CREATE TABLE ledger_checkpoints (
	size INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	note TEXT NOT NULL, 
	CONSTRAINT pk_ledger_checkpoints PRIMARY KEY (size)
);

CREATE TABLE ledger_cosignatures (
	size INTEGER NOT NULL, 
	line TEXT NOT NULL, 
	CONSTRAINT pk_ledger_cosignatures PRIMARY KEY (size, line), 
	CONSTRAINT fk_ledger_cosignatures_size FOREIGN KEY(size) REFERENCES ledger_checkpoints (size)
)
 WITHOUT ROWID;

CREATE TABLE ledger_payloads (
	commitment TEXT NOT NULL, 
	salt BLOB NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_ledger_payloads PRIMARY KEY (commitment)
);

CREATE TABLE records (
	kind TEXT NOT NULL, 
	record_id TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	subject TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_records PRIMARY KEY (kind, record_id, seq), 
	CONSTRAINT fk_records_seq FOREIGN KEY(seq) REFERENCES ledger_entries (seq)
);

CREATE INDEX ix_records_kind_subject ON records (kind, subject);

CREATE TRIGGER ledger_entries_kept_update BEFORE UPDATE ON ledger_entries FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER ledger_entries_kept_delete BEFORE DELETE ON ledger_entries FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER ledger_nodes_kept_update BEFORE UPDATE ON ledger_nodes FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER ledger_nodes_kept_delete BEFORE DELETE ON ledger_nodes FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER ledger_checkpoints_kept_update BEFORE UPDATE ON ledger_checkpoints FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER ledger_checkpoints_kept_delete BEFORE DELETE ON ledger_checkpoints FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER ledger_cosignatures_kept_update BEFORE UPDATE ON ledger_cosignatures FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER ledger_cosignatures_kept_delete BEFORE DELETE ON ledger_cosignatures FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER records_kept_update BEFORE UPDATE ON records FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER records_kept_delete BEFORE DELETE ON records FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER ledger_payloads_kept_update BEFORE UPDATE ON ledger_payloads FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the ledger and what stands on it are never changed or removed'); END;

CREATE TRIGGER ledger_payloads_erased_with_an_entry BEFORE DELETE ON ledger_payloads FOR EACH ROW WHEN NOT (COALESCE((SELECT max(seq) FROM ledger_entries), -1) >= COALESCE((SELECT max(size) FROM ledger_checkpoints), 0)) BEGIN SELECT RAISE(ABORT, 'a text is erased only in a transaction that records so'); END;

CREATE TRIGGER ledger_entries_in_order BEFORE INSERT ON ledger_entries FOR EACH ROW WHEN NEW.seq <> COALESCE((SELECT max(seq) FROM ledger_entries), -1) + 1 BEGIN SELECT RAISE(ABORT, 'the next entry of the ledger has the next number'); END;

CREATE TRIGGER ledger_checkpoints_in_order BEFORE INSERT ON ledger_checkpoints FOR EACH ROW WHEN NEW.size <> COALESCE((SELECT max(seq) FROM ledger_entries), -1) + 1 OR NEW.size <= COALESCE((SELECT max(size) FROM ledger_checkpoints), 0) BEGIN SELECT RAISE(ABORT, 'a checkpoint covers all entries, and more than the one before it'); END;

CREATE TRIGGER records_on_an_entry BEFORE INSERT ON records FOR EACH ROW WHEN COALESCE(NEW.seq, -1) < COALESCE((SELECT max(size) FROM ledger_checkpoints), 0) OR NOT EXISTS (SELECT 1 FROM ledger_entries WHERE seq = NEW.seq AND object = NEW.kind || ' ' || NEW.record_id) BEGIN SELECT RAISE(ABORT, 'a governed row is refused without a ledger entry about it in the same transaction'); END;

CREATE TRIGGER placements_on_an_entry BEFORE INSERT ON placements FOR EACH ROW WHEN COALESCE(NEW.ledger_seq, -1) < COALESCE((SELECT max(size) FROM ledger_checkpoints), 0) OR NOT EXISTS (SELECT 1 FROM ledger_entries WHERE seq = NEW.ledger_seq AND object = 'placement ' || NEW.slot || ' ' || NEW.model || '@' || NEW.version) BEGIN SELECT RAISE(ABORT, 'a governed row is refused without a ledger entry about it in the same transaction'); END;

CREATE TRIGGER model_versions_on_an_entry BEFORE INSERT ON model_versions FOR EACH ROW WHEN COALESCE(NEW.ledger_seq, -1) < COALESCE((SELECT max(size) FROM ledger_checkpoints), 0) OR NOT EXISTS (SELECT 1 FROM ledger_entries WHERE seq = NEW.ledger_seq AND object = 'version ' || NEW.model || '@' || NEW.version) BEGIN SELECT RAISE(ABORT, 'a governed row is refused without a ledger entry about it in the same transaction'); END;

CREATE TRIGGER placements_moved_with_an_entry BEFORE UPDATE ON placements FOR EACH ROW WHEN NOT (COALESCE((SELECT max(seq) FROM ledger_entries), -1) >= COALESCE((SELECT max(size) FROM ledger_checkpoints), 0)) BEGIN SELECT RAISE(ABORT, 'a governed row is refused without a ledger entry about it in the same transaction'); END;

CREATE TABLE accounts (
	person_id TEXT NOT NULL, 
	password_hash TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	CONSTRAINT pk_accounts PRIMARY KEY (person_id)
);

CREATE TABLE account_links (
	secret_hash TEXT NOT NULL, 
	person_id TEXT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_account_links PRIMARY KEY (secret_hash)
);

CREATE TABLE access_tokens (
	token_id TEXT NOT NULL, 
	secret_hash TEXT NOT NULL, 
	person_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	made_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	made_by TEXT NOT NULL, 
	used_at BIGINT, 
	revoked_at BIGINT, 
	CONSTRAINT pk_access_tokens PRIMARY KEY (token_id), 
	CONSTRAINT uq_access_tokens_secret_hash UNIQUE (secret_hash)
);

CREATE INDEX ix_access_tokens_person_id ON access_tokens (person_id);

CREATE TABLE browser_sessions (
	secret_hash TEXT NOT NULL, 
	person_id TEXT NOT NULL, 
	started_at BIGINT NOT NULL, 
	seen_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_browser_sessions PRIMARY KEY (secret_hash)
);

CREATE INDEX ix_browser_sessions_person_id ON browser_sessions (person_id);

CREATE TABLE provider_journeys (
	state_hash TEXT NOT NULL, 
	browser_hash TEXT NOT NULL, 
	nonce TEXT NOT NULL, 
	verifier TEXT NOT NULL, 
	onward TEXT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_provider_journeys PRIMARY KEY (state_hash)
);

CREATE TABLE login_failures (
	subject TEXT NOT NULL, 
	failures BIGINT NOT NULL, 
	last_at BIGINT NOT NULL, 
	CONSTRAINT pk_login_failures PRIMARY KEY (subject)
);

CREATE TABLE experiment_tags (
	experiment_no INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_experiment_tags PRIMARY KEY (experiment_no, name), 
	CONSTRAINT fk_experiment_tags_experiment_no FOREIGN KEY(experiment_no) REFERENCES experiments (experiment_no)
)
 WITHOUT ROWID;

CREATE TABLE run_datasets (
	run_no INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	source_type TEXT NOT NULL, 
	source TEXT NOT NULL, 
	schema TEXT NOT NULL, 
	profile TEXT NOT NULL, 
	context TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	CONSTRAINT pk_run_datasets PRIMARY KEY (run_no, name, digest), 
	CONSTRAINT fk_run_datasets_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no)
)
 WITHOUT ROWID;

CREATE INDEX ix_run_datasets_name_digest ON run_datasets (name, digest);

CREATE TABLE logged_models (
	model_id TEXT NOT NULL, 
	experiment_no INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	deleted_at BIGINT, 
	params TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	CONSTRAINT pk_logged_models PRIMARY KEY (model_id), 
	CONSTRAINT fk_logged_models_experiment_no FOREIGN KEY(experiment_no) REFERENCES experiments (experiment_no)
);

CREATE INDEX ix_logged_models_experiment_no ON logged_models (experiment_no);

CREATE INDEX ix_logged_models_run_id ON logged_models (run_id);

CREATE TABLE logged_model_metrics (
	model_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	dataset_name TEXT NOT NULL, 
	dataset_digest TEXT NOT NULL, 
	step BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	value DOUBLE, 
	CONSTRAINT pk_logged_model_metrics PRIMARY KEY (model_id, run_id, name, dataset_name, dataset_digest, step, at), 
	CONSTRAINT fk_logged_model_metrics_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id)
)
 WITHOUT ROWID;

CREATE TABLE logged_model_files (
	model_id TEXT NOT NULL, 
	path TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	CONSTRAINT pk_logged_model_files PRIMARY KEY (model_id, path), 
	CONSTRAINT fk_logged_model_files_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id)
)
 WITHOUT ROWID;

CREATE TABLE run_models (
	run_no INTEGER NOT NULL, 
	direction TEXT NOT NULL, 
	model_id TEXT NOT NULL, 
	step BIGINT NOT NULL, 
	CONSTRAINT pk_run_models PRIMARY KEY (run_no, direction, model_id), 
	CONSTRAINT fk_run_models_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no)
)
 WITHOUT ROWID;

CREATE TABLE model_words (
	model TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_model_words PRIMARY KEY (model, version, kind, name)
)
 WITHOUT ROWID;

CREATE TABLE webhooks (
	webhook_id TEXT NOT NULL, 
	url TEXT NOT NULL, 
	events TEXT NOT NULL, 
	secret TEXT NOT NULL, 
	made_at BIGINT NOT NULL, 
	made_by TEXT NOT NULL, 
	next_entry BIGINT NOT NULL, 
	next_at BIGINT NOT NULL, 
	may_be_private BIGINT NOT NULL, 
	may_be_http BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	failures BIGINT NOT NULL, 
	tried BIGINT NOT NULL, 
	CONSTRAINT pk_webhooks PRIMARY KEY (webhook_id)
);

CREATE TABLE webhook_deliveries (
	webhook_id TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	entry BIGINT NOT NULL, 
	event TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	status BIGINT NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_webhook_deliveries PRIMARY KEY (webhook_id, number), 
	CONSTRAINT fk_webhook_deliveries_webhook_id FOREIGN KEY(webhook_id) REFERENCES webhooks (webhook_id)
)
 WITHOUT ROWID;

CREATE INDEX ix_metric_points_series_no_at_step_value ON metric_points (series_no, at, step, value);

CREATE TABLE repeatable_requests (
	caller TEXT NOT NULL, 
	request_key TEXT NOT NULL, 
	request TEXT NOT NULL, 
	begun_at BIGINT NOT NULL, 
	process TEXT NOT NULL, 
	status BIGINT NOT NULL, 
	headers TEXT NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_repeatable_requests PRIMARY KEY (caller, request_key)
);

CREATE INDEX ix_repeatable_requests_begun_at ON repeatable_requests (begun_at);

CREATE TABLE lineage_events (
	number INTEGER NOT NULL, 
	run_no INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	failures BIGINT NOT NULL, 
	next_at BIGINT NOT NULL, 
	CONSTRAINT pk_lineage_events PRIMARY KEY (number), 
	CONSTRAINT fk_lineage_events_run_no FOREIGN KEY(run_no) REFERENCES runs (run_no)
);

CREATE TRIGGER runs_lineage_begun AFTER INSERT ON runs FOR EACH ROW WHEN EXISTS (SELECT 1 FROM settings WHERE name = 'lineage') BEGIN INSERT INTO lineage_events (run_no, kind, failures, next_at) VALUES (NEW.run_no, 'START', 0, 0); INSERT INTO lineage_events (run_no, kind, failures, next_at) SELECT NEW.run_no, 'END', 0, 0 WHERE NEW.state <> 'running'; END;

CREATE TRIGGER runs_lineage_ended AFTER UPDATE OF state ON runs FOR EACH ROW WHEN OLD.state = 'running' AND EXISTS (SELECT 1 FROM settings WHERE name = 'lineage') BEGIN INSERT INTO lineage_events (run_no, kind, failures, next_at) SELECT NEW.run_no, 'END', 0, 0 WHERE NEW.state <> 'running'; END;

INSERT INTO alembic_version (version_num) VALUES ('0010');

