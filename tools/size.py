"""The size rules of CONTRIBUTING.md: python tools/size.py; exit code 1 where one is broken.

A file has at most 300 lines (tests 400), a function at most 40. The kit has at most 1,200 lines of code: what a machine
runs, so blank lines, comments and docstrings do not count.
"""

import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES, KIT_LINES = 300, 400, 40, 1200
SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(text: str) -> int:
    """Lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Documented) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(lines)


def faults(path: Path, text: str) -> list[str]:
    """What in one file is too long."""
    limit = TEST_FILE_LINES if path.name.startswith("test_") else FILE_LINES
    count = text.count("\n")
    found = [f"{path}: {count} lines (at most {limit})"] if count > limit else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                found.append(f"{path}:{node.lineno}: {node.name} has {length} lines (at most {FUNCTION_LINES})")
    return found


def main() -> int:
    """Prints every fault, and the size of the kit."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], capture_output=True, text=True, check=True
    )
    texts = {path: path.read_text() for path in map(Path, names.stdout.split()) if path.exists()}
    found = [fault for path, text in texts.items() for fault in faults(path, text)]
    kit = sum(code_lines(text) for path, text in texts.items() if path.is_relative_to("kit/src/shopkit"))
    if kit > KIT_LINES:
        found.append(f"kit: {kit} lines of code (at most {KIT_LINES})")
    print("\n".join([*found, f"kit: {kit} of {KIT_LINES} lines of code"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
