"""A strict reader of the LaTeX that the tables are written in: what LaTeX would refuse or set otherwise is an error."""

import re
import unicodedata

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
ESCAPED = {f"\\{character}": character for character in "&%#_${}"}
SYMBOLS = {
    r"\textbackslash": "\\",
    r"\textasciicircum": "^",
    r"\textasciitilde": "~",
    r"\textless": "<",
    r"\textgreater": ">",
    r"\textbar": "|",
    r"\ss": "ß",
}
ACCENTS = {r"\`": "\u0300", r"\'": "\u0301", r"\^": "\u0302", r"\~": "\u0303", r"\"": "\u0308", r"\r": "\u030a"}
ACCENTS |= {r"\v": "\u030c", r"\c": "\u0327"}
SIGNS = {r"\pm": "±", r"\times": "×", r"\le": "≤", r"\ge": "≥", r"\approx": "≈", r"\to": "→", r"\infty": "∞"}
SIGNS |= {rf"\{name}": sign for name, sign in zip("alpha beta gamma lambda mu sigma".split(), "αβγλμσ")}
SMALL = {"_": dict(zip("0123456789w", "₀₁₂₃₄₅₆₇₈₉w")), "^": dict(zip("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))}
FORBIDDEN = set("|<>^_~#%&\\$")
"""What plain text of LaTeX cannot hold, or sets as another character."""


def shown(latex):
    """What a reader sees of a cell: plain text; ValueError for what LaTeX does not set as it stands there."""
    tokens, text, depth = TOKEN.findall(latex), "", 0
    while tokens:
        token = tokens.pop(0)
        if token == "$":
            end = tokens.index("$")
            text, tokens = text + _mathematics(tokens[:end]), tokens[end + 1 :]
        elif token in ESCAPED:
            text += ESCAPED[token]
        elif token in SYMBOLS:
            _expect(tokens, ["{", "}"], token)
            text += SYMBOLS[token]
        elif token in ACCENTS:
            _expect(tokens, ["{", letter := tokens[1], "}"], token)
            text += letter + ACCENTS[token]
        elif token in "{}":
            depth += 1 if token == "{" else -1
        elif token in FORBIDDEN or token.startswith("\\") or token in "\n\t":
            raise ValueError(f"{token!r} in {latex!r}")
        else:
            text += token
        if depth < 0:
            raise ValueError(f"a brace too many in {latex!r}")
    if depth:
        raise ValueError(f"an open brace in {latex!r}")
    return unicodedata.normalize("NFC", text)


def _expect(tokens, expected, after):
    """Take what has to come next."""
    if tokens[: len(expected)] != expected:
        raise ValueError(f"after {after}: {tokens[:3]}")
    del tokens[: len(expected)]


def _mathematics(tokens):
    """A formula: numbers, signs, indices of one character, letters one at a time; words would be set as products."""
    text, before = "", ""
    while tokens:
        token = tokens.pop(0)
        if token in SMALL:
            small = SMALL[token][tokens.pop(0)]
            text += f"_{small}" if small == "w" else small
        elif token in SIGNS:
            text += SIGNS[token]
        elif token.isalpha() and not before.isalpha() and (not tokens or tokens[0] == "_"):
            text += token
        elif token in "0123456789=. ":
            text += token
        elif token == "-":
            text += "−"
        else:
            raise ValueError(f"{token!r} in a formula")
        before = token
    return text


def table(latex):
    """The comments above a table, and its rows of cells as a reader sees them; rules of booktabs by their names."""
    lines = latex.rstrip("\n").split("\n")
    comments = [line for line in lines if line.startswith("%")]
    begin, *body, end = lines[len(comments) :]
    columns = re.fullmatch(r"\\begin\{tabular\}\{(l)(r+)\}", begin)
    if not columns or end != r"\end{tabular}" or any("%" in line.replace(r"\%", "") for line in body):
        raise ValueError(f"no table: {begin} ... {end}")
    rows = []
    for line in body:
        if line in (r"\toprule", r"\midrule", r"\bottomrule"):
            rows.append(line[1:])
        elif line.startswith(("[", "*")) or not line.endswith(r" \\"):
            raise ValueError(f"no row: {line}")
        else:
            rows.append([shown(cell) for cell in re.split(r"(?<!\\) & ", line.removesuffix(r" \\"))])
            if len(rows[-1]) != 1 + len(columns[2]):
                raise ValueError(f"{len(rows[-1])} cells: {line}")
    return comments, rows
