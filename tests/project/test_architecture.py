"""The shape of the source: imports run downhill, C keeps its promises, nothing is left out.

These tests read the source tree, so they hold whether the package is installed from it
or used in place.
"""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

import cffi
import pytest

from statsmodels_mixed._core import _smm
from statsmodels_mixed.later import load

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "statsmodels_mixed"
C_SOURCES = sorted((ROOT / "csrc" / "src").glob("*/*.c"))
C_HEADERS = [ROOT / "csrc" / "include" / "smm.h", *sorted((ROOT / "csrc" / "src").glob("*/*.h"))]

# A C room includes only headers of the rooms named before it, and its own.
C_ROOMS = ("base", "design", "factor", "minimize", "linear", "families", "generalized")

# A room imports only from the rooms named before it. Within a room imports form no circle.
ROOMS = (
    "later",
    "_typing",
    "_frozen",
    "errors",
    "option_kinds",
    "options",
    "tables",
    "_core",
    "structures",
    "related",
    "formula",
    "frame",
    "fitting",
    "residual_covariance",
    "standard_errors",
    "results",
    "plots",
    "profile",
    "comparison",
    "prediction",
    "marginal",
    "simulation",
    "bootstrap",
    "diagnostics",
    "tidy",
    "saved",
    "streams",
    "models",
    "meta_analysis",
    "inference",
    "families",
    "datasets",
    "registers",
    "__init__",
    "__main__",
)

# Folders of tests that no single room answers for.
CROSSING = {
    "after_a_fit",
    "ecosystem",
    "fuzz",
    "native",
    "project",
    "properties",
    "published",
}


# What `later.load` takes, a module and a name of it.
PLACE = re.compile(r"[a-z_][\w.]*:[\w.]*")
# What a fit and its summary may load, folders apart. Each module takes about a millisecond.
MODULES_OF_A_FIT = 176
ROOMS_AFTER_A_FIT = {
    "plots",
    "profile",
    "comparison",
    "marginal",
    "simulation",
    "bootstrap",
    "diagnostics",
    "tidy",
    "saved",
    "meta_analysis",
    "inference",
    "families",
    "residual_covariance",
}


@dataclass(frozen=True)
class Import:
    """One import of a module of this package: by whom, where, of what.

    It is late inside a function.
    """

    importer: str
    line: int
    target: str
    late: bool
    for_types_only: bool

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}, imports {self.target}"


def room(module: str) -> str:
    """The first part of a dotted name below the package."""
    return module.partition(".")[0]


@cache
def modules() -> dict[str, Path]:
    """Files of the package by dotted name below it: ``"frame.build"``, ``"frame.__init__"``."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in paths}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@dataclass(frozen=True)
class _Place:
    late: bool = False
    for_types_only: bool = False

    def inside(self, node: ast.AST) -> _Place:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return _Place(True, self.for_types_only)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name):
            types = self.for_types_only or node.test.id == "TYPE_CHECKING"
            return _Place(self.late, types)
        return self


def _walk(node: ast.AST, place: _Place) -> Iterator[tuple[ast.AST, _Place]]:
    for child in ast.iter_child_nodes(node):
        yield child, place
        yield from _walk(child, place.inside(child))


def _targets(module: str, node: ast.AST) -> list[str]:
    """Dotted names below the package that an import statement names."""
    name = PACKAGE.name
    if isinstance(node, ast.Import):
        dotted = [alias.name for alias in node.names if room(alias.name) == name]
        return [target.removeprefix(name).lstrip(".") or "__init__" for target in dotted]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level:
        above = module.split(".")[: -node.level]
        base = ".".join([*above, *(node.module or "").split(".")]).strip(".")
    elif node.module and room(node.module) == name:
        base = node.module.removeprefix(name).lstrip(".")
    else:
        return []
    found = []
    for alias in node.names:
        inner = f"{base}.{alias.name}".lstrip(".")
        # What is no module of its own is a name defined in, or compiled into, the base.
        is_module = inner in modules() or f"{inner}.__init__" in modules()
        found.append(inner if is_module else base or "__init__")
    return list(dict.fromkeys(found))


@cache
def imports() -> tuple[Import, ...]:
    found = []
    for module in modules():
        for node, place in _walk(tree_of(module), _Place()):
            for target in _targets(module, node):
                found.append(Import(module, node.lineno, target, *astuple(place)))
    return tuple(found)


@cache
def named_places() -> tuple[Import, ...]:
    """What is loaded later (see `later`): places such as ``"comparison.drop1:ranova"``."""
    found = []
    for module in modules():
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.Constant) and PLACE.fullmatch(str(node.value)):
                target = node.value.partition(":")[0]
                if target in modules() or f"{target}.__init__" in modules():
                    found.append(Import(module, node.lineno, target, True, False))
    return tuple(found)


def seen_by_types(tree: ast.Module) -> set[str]:
    """Places that are imported under ``if TYPE_CHECKING:``."""
    return {
        f"{node.module or alias.name}:{alias.name if node.module else ''}"
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


# Python.


def test_every_module_is_in_a_room():
    assert {room(module) for module in modules()} == set(ROOMS)


def test_imports_run_downhill():
    # Annotations may name what lies above. An unknown room is the test above's business.
    order = {name: at for at, name in enumerate(ROOMS)}
    upward = [
        str(one)
        for one in (*imports(), *named_places())
        if not one.for_types_only
        and order.get(room(one.target), -1) > order.get(room(one.importer), len(ROOMS))
    ]
    assert upward == []


def test_no_circle_of_imports_within_a_room():
    needs: dict[str, set[str]] = {module: set() for module in modules()}
    for one in imports():
        target = one.target if one.target in needs else f"{one.target}.__init__"
        if target in needs and not (one.late or one.for_types_only):
            needs[one.importer].add(target)
    while free := {module for module, others in needs.items() if not others & needs.keys()}:
        needs = {module: others for module, others in needs.items() if module not in free}
    assert needs == {}


def test_imports_of_a_module_are_seen():
    # Otherwise the tests above would pass on an empty list.
    seen = {(one.importer, one.target) for one in imports()}
    expected = {
        ("fitting.linear.fit", "fitting.crossprod"),
        ("_core.structure", "_core.blas"),
        ("__main__", "datasets"),
    }
    assert expected <= seen
    assert any(one.for_types_only for one in imports())
    inside = "import a\ndef f():\n    import b\n"
    found = [(node, place.late) for node, place in _walk(ast.parse(inside), _Place())]
    late = [late for node, late in found if isinstance(node, ast.Import)]
    assert late == [False, True]


def test_no_module_of_this_package_is_imported_late():
    # But through `later`, by place.
    assert [str(one) for one in imports() if one.late] == []


def test_places_to_load_later_are_written_with_a_colon():
    # Others are not seen by the tests of imports.
    given = [
        (module, node.args[0].value)
        for module in modules()
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("load", "Method")
        and isinstance(node.args[0], ast.Constant)
    ]
    assert [each for each in given if not PLACE.fullmatch(str(each[1]))] == []
    assert len(given) > 20


@pytest.mark.parametrize("module", sorted({one.importer for one in named_places()}))
def test_places_to_load_later_exist(module):
    places = [
        node.value
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Constant) and PLACE.fullmatch(str(node.value))
    ]
    for place in places:
        assert load(place) is not None


@pytest.mark.parametrize(
    "module", ["__init__", "inference.__init__", "models.methods", "models.distributional.methods"]
)
def test_types_see_what_is_loaded_later(module):
    tree = tree_of(module)
    places = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and PLACE.fullmatch(str(node.value))
    }
    # Constructors are methods of classes, which types see as such.
    assert {place for place in places if not place.endswith(".from_formula")} <= seen_by_types(tree)


def loaded_by(code: str) -> set[str]:
    """Modules of this package that a new process has loaded after some code.

    The finder of an editable installation, whose name has the package's in it, is none of them.
    """
    own = "name.partition('.')[0] == 'statsmodels_mixed'"
    shown = f"print(*(name for name in __import__('sys').modules if {own}))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{shown}"], check=True, capture_output=True, text=True
    )
    return set(run.stdout.split())


def test_the_import_loads_almost_nothing():
    # A module costs about a millisecond.
    assert len(loaded_by("import statsmodels_mixed")) <= 4


def test_a_first_fit_loads_what_a_fit_needs():
    fit = """
import statsmodels.formula.api as smf, statsmodels_mixed
data = statsmodels_mixed.datasets.load("sleepstudy")
smf.mixedlm2("reaction ~ days + (days | subj)", data).fit().summary()
"""
    loaded = loaded_by(fit)
    # Folders only name what is in them.
    folders = {name for name in loaded if (PACKAGE.parent / name.replace(".", "/")).is_dir()}
    assert len(loaded - folders) <= MODULES_OF_A_FIT
    rooms = {name.split(".")[1] for name in loaded if "." in name}
    assert rooms.isdisjoint(ROOMS_AFTER_A_FIT)


def asked_for_kinds(tree: ast.Module) -> list[int]:
    """Lines in which isinstance asks for a class of estimates."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "isinstance"
        and any(
            isinstance(part, ast.Name | ast.Attribute)
            and (part.id if isinstance(part, ast.Name) else part.attr).endswith("Estimates")
            for argument in node.args[1:]
            for part in ast.walk(argument)
        )
    ]


def test_nobody_above_asks_which_kind_of_estimates_there_are():
    # `Estimates` and `Problem` answer for both kinds; what else differs is registered by kind.
    found = {
        module: lines
        for module in modules()
        if room(module) not in ("fitting", "models") and (lines := asked_for_kinds(tree_of(module)))
    }
    assert found == {}
    assert asked_for_kinds(ast.parse("isinstance(fit, LinearEstimates)")) == [1]
    assert asked_for_kinds(ast.parse("isinstance(a.b, A | c.LinearEstimates)")) == [1]


def test_a_name_of_a_class_means_one_thing():
    where: dict[str, list[str]] = {}
    for module in modules():
        for node in tree_of(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(module)
    assert {name: found for name, found in where.items() if len(found) > 1} == {}


def test_only_the_core_touches_the_extension_module():
    outside = []
    for module in modules():
        if room(module) == "_core":
            continue
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(a.name for a in node.names)]
                parts = {part for name in names for part in name.split(".")}
                if parts & {"_smm", "ffi", "lib"}:
                    outside.append(f"{module}, line {node.lineno}")
    assert outside == []


def test_nothing_is_printed():
    calls = [
        f"{module}, line {node.lineno}"
        for module in modules()
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("print", "pprint")
    ]
    assert calls == []


def _definitions(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements of a module; what types see of a module that loads its names later, too."""
    yield from tree.body
    for block in tree.body:
        if isinstance(block, ast.If) and "__getattr__" in ast.unparse(block.orelse or []):
            yield from block.body


@pytest.mark.parametrize("module", modules())
def test_public_names_of_a_module_exist(module):
    tree = tree_of(module)
    listed = next(
        (
            ast.literal_eval(node.value)
            for node in tree.body
            if (isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "__all__")
            or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
        ),
        None,
    )
    assert listed is not None, "every module says what it offers"
    defined = set()
    for node in _definitions(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            defined |= {alias.asname or room(alias.name) for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif hasattr(node, "name"):
            defined.add(node.name)
    assert set(listed) <= defined


def test_every_package_is_installed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(settings["tool"]["setuptools"]["packages"])
    folders = {path.parent.relative_to(ROOT) for path in modules().values()}
    expected = {".".join(folder.parts) for folder in folders}
    assert listed - {"statsmodels_mixed._data"} == expected


def test_the_page_on_architecture_lists_the_rooms_from_top_to_bottom():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## The rooms")
    listed = re.findall(r"^\| `(\w+)/?` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert listed == [*reversed(ROOMS), *reversed(C_ROOMS)]


def test_names_beside_files_on_the_page_are_in_the_files():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)+\w+\.py)`,? \(?`(\w+)`", page)
    assert len(named) > 8
    for file, name in named:
        text = (PACKAGE / file).read_text(encoding="utf-8")
        assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), f"{file}: {name}"


def test_tests_are_in_the_rooms_they_test():
    tests = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(tests) > 100
    lost = [path.as_posix() for path in tests if path.parts[0] not in {*ROOMS, *CROSSING}]
    modules_at_the_top = {"test_cli.py", "test_datasets.py"}
    assert sorted(set(lost) - modules_at_the_top) == [], "move them to tests/ROOM/"
    names = sorted(path.name for path in tests)
    assert sorted(set(names)) == names, "pytest needs file names that differ"


# The boundary: what cffi was told is what the header says.


@cache
def header() -> str:
    text = C_HEADERS[0].read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


@cache
def prototypes() -> dict[str, str]:
    """C type, as a pointer, of every function the header declares."""
    text = re.sub(r"^\s*#.*$", "", header(), flags=re.MULTILINE)
    text = re.sub(r"\{[^{}]*\}", "{}", text)  # members of structs
    found = {}
    for match in re.finditer(r"([\w ][\w *]*?)\b(smm_\w+)\s*\(([^()]*)\)\s*;", text):
        kind, name, arguments = (part.strip() for part in match.groups())
        found[name] = f"{kind} (*)({arguments})"
    return found


@cache
def declared() -> cffi.FFI:
    """The declarations of the header, read again."""
    build = runpy.run_path(str(ROOT / "csrc" / "build_core.py"))
    ffi = cffi.FFI()
    ffi.cdef(build["declarations"]())
    return ffi


def test_the_extension_has_every_function_of_the_header():
    assert len(prototypes()) > 10
    compiled = {name for name in dir(_smm.lib) if name.startswith("smm_")}
    assert compiled - {"smm_python_poll", "smm_python_next"} == set(prototypes())


@pytest.mark.parametrize("name", prototypes())
def test_a_function_has_the_type_of_its_prototype(name):
    expected = declared().typeof(prototypes()[name]).cname
    # cffi writes "struct" before the name of an opaque handle, but only once compiled.
    compiled = _smm.ffi.typeof(getattr(_smm.lib, name)).cname.replace("struct ", "")
    assert compiled == expected.replace("struct ", "")


def test_types_are_those_of_the_header():
    typedefs, opaque, unions = map(list, declared().list_types())
    assert [typedefs, opaque, unions] == list(map(list, _smm.ffi.list_types()))
    for name in sorted({*typedefs} - {*opaque}):
        ours, theirs = declared().typeof(name), _smm.ffi.typeof(name)
        assert ours.kind == theirs.kind
        if ours.kind == "enum":
            assert ours.elements == theirs.elements
        elif ours.kind == "struct":
            assert _fields(ours) == _fields(theirs)


def _fields(struct: cffi.FFI.CType) -> list[tuple[str, str]]:
    return [(name, field.type.cname.replace("struct ", "")) for name, field in struct.fields]


def test_everything_in_the_header_is_declared_to_cffi():
    body = runpy.run_path(str(ROOT / "csrc" / "build_core.py"))["declarations"]()
    assert [name for name in prototypes() if name not in body] == []


# The C library: one prefix, no state of its own, no output.


def _outermost(path: Path) -> Iterator[tuple[str, str]]:
    """Each outermost piece of a C file, and what ends it: ``{`` or ``;``."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"', " ", text, flags=re.DOTALL)
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    depth, piece = 0, ""
    for character in text:
        if depth == 0 and character in "{;":
            yield " ".join(piece.split()), character
            if character == ";" or piece.rstrip().endswith(")"):
                piece = ""  # a statement or a function has ended; a struct goes on after its body
        elif depth == 0:
            piece += character.replace("}", " ")
        depth += {"{": 1, "}": -1}.get(character, 0)


def functions(path: Path) -> list[tuple[str, bool]]:
    """Name and linkage (True: static) of every function defined in a C file."""
    found = []
    for piece, end in _outermost(path):
        match = re.search(r"(\w+)\s*\([^=]*\)$", piece)
        if end == "{" and match and "=" not in piece:
            found.append((match[1], "static" in piece.split()))
    return found


def test_functions_of_c_files_are_seen():
    names = {name for path in C_SOURCES for name, _ in functions(path)}
    assert set(prototypes()) <= names


def test_every_room_of_the_library_is_known():
    assert {path.parent.name for path in C_SOURCES} == set(C_ROOMS)


@pytest.mark.parametrize("path", [*C_SOURCES, *C_HEADERS[1:]], ids=lambda path: path.name)
def test_c_includes_flow_one_way(path):
    below = C_ROOMS[: C_ROOMS.index(path.parent.name) + 1]
    text = path.read_text(encoding="utf-8")
    included = re.findall(r'^#include "(.*)"$', text, re.M)
    assert [name for name in included if name != "smm.h" and name.split("/")[0] not in below] == []


@pytest.mark.parametrize("path", C_SOURCES, ids=lambda path: path.name)
def test_external_functions_have_the_prefix(path):
    names = [name for name, static in functions(path) if not static]
    assert names
    assert [name for name in names if not name.startswith("smm_")] == []


@pytest.mark.parametrize("path", [*C_SOURCES, *C_HEADERS], ids=lambda path: path.name)
def test_c_keeps_no_state(path):
    # A variable outside all functions, or a static one inside, would be shared by threads.
    for piece, _ in _outermost(path):
        is_variable = piece and "(" not in piece.partition("=")[0] and piece != 'extern "C"'
        if is_variable and not re.match(r"(typedef|struct|enum|union|extern)\b", piece):
            assert re.search(r"\bconst\b", piece), piece
    inside = re.findall(r"^\s+static\s+(?!const\b|inline\b)[^(\n]*[;=]", path.read_text(), re.M)
    assert inside == []


@pytest.mark.parametrize("path", [*C_SOURCES, *C_HEADERS], ids=lambda path: path.name)
def test_c_prints_nothing_and_never_ends_the_process(path):
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert "<stdio.h>" not in text
    forbidden = r"\b(printf|fprintf|puts|perror|abort|exit|assert|s?rand|signal|setjmp)\s*\("
    assert re.findall(forbidden, text) == []


@pytest.mark.parametrize("path", [*C_SOURCES, *C_HEADERS], ids=lambda path: path.name)
def test_c_files_open_with_their_licence_and_their_idea(path):
    first, second, third = path.read_text(encoding="utf-8").splitlines()[:3]
    assert first == "/* SPDX-License-Identifier: BSD-3-Clause"
    assert second == " *"
    assert third.startswith(" * ")
