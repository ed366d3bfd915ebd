"""The documentation is true: its examples run, its links lead somewhere, CI does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import agrees, blocks, examples, refreshed

import statsmodels_mixed

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@each_page
@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:`cat.get_categories:DeprecationWarning")
def test_examples_print_what_the_page_shows(page):
    variables = {"__name__": "__main__"}
    for example in examples(page.read_text(encoding="utf-8")):
        printed = example.run(variables)
        if not agrees(example.want, printed):
            shown = f"{name_of(page)}, line {example.first}: {example.source}"
            pytest.fail(f"{shown}\nexpected\n{example.want}\nprinted\n{printed}")


def test_examples_are_found_and_compared():
    page = "Text.\n\n```python\n>>> 1 + 1\n3\n>>> 1 / 0\nTraceback\n```\n\n```\n>>> 5\n```\n"
    first, second = examples(page)
    assert (first.source, first.want, first.run({})) == ("1 + 1\n", "3\n", "2\n")
    assert second.run({}).endswith("ZeroDivisionError: division by zero\n")
    assert ">>> 1 + 1\n2\n>>> 1 / 0\nTraceback (most recent" in refreshed(page)
    assert not agrees(first.want, first.run({}))


@pytest.mark.parametrize(
    ("want", "printed", "equal"),
    [
        ("0.750033", "0.750034", True),
        ("0.750033", "0.750035", False),
        ("a 1.50 b", "a  1.51 b", True),
        ("a 1.50 b", "a 1.50 c", False),
        ("-1.50", "1.50", False),
        ("3.22e-12", "3.23e-12", True),
        ("3.22e-12", "3.22e-11", False),
        ("4 evaluations", "5 evaluations", False),
        ("1.5 2.5", "1.5", False),
        ("Traceback\n ...\nError: 1.5", "Traceback\n here\nError: 1.5", True),
    ],
)
def test_outputs_agree_up_to_the_last_digit(want, printed, equal):
    assert agrees(f"{want}\n", f"{printed}\n") == equal


def test_commands_are_found_and_run():
    page = "```console\n$ python -m statsmodels_mixed datasets\nold\n```\n"
    (example,) = examples(page)
    assert (example.source, example.want) == ("datasets", "old\n")
    assert "sleepstudy" in example.run({})


def test_the_documentation_has_examples():
    counts = {name_of(page): len(examples(page.read_text(encoding="utf-8"))) for page in PAGES}
    assert counts["README.md"] > 5
    assert counts["docs/tutorial.md"] > 40
    assert counts["docs/formulas.md"] > 15


def anchors(page: Path) -> set[str]:
    """Names that a link can give to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for _, _, lines in blocks(text):
        text = text.replace("\n".join(lines), "")
    for target in LINK.findall(text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.name for path in PAGES if path.parent.name == "docs"} - {"index.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


def test_every_public_name_is_in_the_reference():
    pages = "\n".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.rst"))
    # Whole modules are taken by automodule, results' wrappers are what results say.
    modules = {"datasets", "errors", "families", "inference", "__version__"}
    modules |= set(statsmodels_mixed.errors.__all__)
    names = {n for n in statsmodels_mixed.__all__ if not n.endswith("Wrapper")} - modules
    assert {n for n in names if not re.search(rf"^\.\. auto\w+:: {n}$", pages, re.M)} == set()


def test_ci_runs_the_command_of_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line for language, _, lines in blocks(text) if language == "sh" for line in lines]
    assert commands[0].startswith("python3 -m venv .venv && ")
    assert commands[1].endswith(" -m pytest -n auto")
    assert commands[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_room_is_in_the_architecture():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {
        path.parent.name if path.name == "__init__.py" else path.stem
        for path in (ROOT / "statsmodels_mixed").glob("*/__init__.py")
    }
    assert {room for room in rooms if f"| `{room}/` |" not in page} == set()


def test_files_named_in_the_architecture_exist():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w.]+/)+[\w]+\.(?:py|c|h))`", page))
    assert len(named) > 30
    roots = (ROOT, ROOT / "statsmodels_mixed")
    assert {name for name in named if not any((root / name).is_file() for root in roots)} == set()


def test_every_page_is_in_the_contents_of_the_site():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = {
        line
        for language, _, lines in blocks(index)
        if language == "{toctree}"
        for line in lines
        if not line.startswith(":")
    }
    pages = {path.stem for path in PAGES if path.parent.name == "docs"} - {"index"}
    assert pages - listed == set()
