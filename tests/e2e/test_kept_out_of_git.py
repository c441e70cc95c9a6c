"""The workspace folder holds the ledger's private key: `git add -A` in a project does not take it, and `doctor` tells where it would."""

import subprocess

from command import incumbent


def git(folder, *arguments):
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_git_takes_no_key_and_doctor_tells_where_it_would(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    git(tmp_path, "init", "--quiet")
    incumbent(tmp_path, "users", "add", "ada", "--name", "Ada", "--role", "admin")
    assert (tmp_path / ".incumbent/keys/ledger.key").exists()
    git(tmp_path, "add", "-A")
    assert git(tmp_path, "ls-files").splitlines() == ["pyproject.toml"]
    assert "WRONG" not in incumbent(tmp_path, "doctor").stdout
    (tmp_path / ".incumbent/.gitignore").write_text("")
    for act in (["status"], ["add", "-A"]):  # what is about to be taken is told as what has been taken
        git(tmp_path, *act)
        told = incumbent(tmp_path, "doctor", code=4).stdout
        assert "the ledger's private key keys/ledger.key among them" in told
        assert "git rm -r --cached .incumbent" in told
        assert "incumbent ledger rotate" in told
    assert (tmp_path / ".incumbent/.gitignore").read_text() == "", "what a person wrote there is left alone"
