"""The style sheet of the page at /."""

_DEPTHS = "\n".join(f".depth-{depth} {{ margin-left: {depth * 1.25}rem; }}" for depth in range(1, 10))

STYLE = f"""\
:root {{ color-scheme: light dark; --line: #8885; --soft: #8882; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }}
h1 {{ font-size: 1.5rem; }}
h2 {{ font-size: 1.15rem; margin: 0 0 .5rem; }}
section {{ border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 0 0 1rem; overflow-x: auto; }}
.answer {{ border-left: .4rem solid #2a7; }}
.problem {{ border-left: .4rem solid #c33; }}
table {{ border-collapse: collapse; }}
th {{ text-align: left; font-weight: 600; padding: .15rem 1.5rem .15rem 0; white-space: nowrap; vertical-align: top; }}
td, code {{ overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }}
code {{ font-size: .85em; }}
.fields {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem; margin: 1rem 0; }}
label {{ display: block; }}
small {{ opacity: .75; }}
input {{ width: 100%; box-sizing: border-box; font: inherit; padding: .3rem .5rem; }}
button {{ font: inherit; padding: .4rem 1rem; }}
.lineage {{ list-style: none; padding: 0; }}
.lineage li {{ padding: .1rem 0; }}
.lineage span {{ opacity: .75; }}
{_DEPTHS}
"""
