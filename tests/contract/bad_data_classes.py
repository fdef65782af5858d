"""Dataset classes that break the contract, and what each message must show after its place."""

from __future__ import annotations

from messages import Line

SPLIT = "def __init__(self, split): "
# The value of `data.dataset`, the code of mine.py in FOLDER, and what is shown.
IMPORTS = [
    ("Rows", "", Line("", "'Rows'")),
    ("no.such.package:Rows", "", Line("", "ModuleNotFoundError: No module named 'no'")),
    ("mine.py:Rows", "import nowhere_to_be_found", Line("", "(FOLDER/mine.py, line 1)")),
    ("mine.py:Rows", "def broken(:", Line("", "SyntaxError: invalid syntax (mine.py, line 1)")),
    (
        "mine.py:Rows",
        "raise RuntimeError('no data here')",
        Line("", "RuntimeError: no data here (FOLDER/mine.py, line 1)"),
    ),
    ("mien.py:Rows", "", Line("", "mien.py", nearest="mine.py")),
    ("mine.py:Rows", "class Row: pass", Line("", "'Rows'", nearest="Row")),
    ("mine.py:Rows", "Rows = [1]", Line("", "list")),
    ("mine.py:Rows", "class Rows:\n    def __init__(self, data_dir): pass", Line("", "(data_dir)")),
    ("mine.py:Rows", "class Rows:\n    def __init__(self, split, tokenizer): pass", Line("", "'tokenizer'")),
]
# The code of a class of CoLA's rows.
CLASSES = [
    (
        "class Rows:\n    " + SPLIT + "raise OSError('disk gone')",
        Line("", "OSError: disk gone (FOLDER/mine.py, line 2)"),
    ),
    (
        "class Rows:\n    def __init__(self, *, split, data_dir): raise KeyError",
        Line("", "KeyError (FOLDER/mine.py, line 2)"),
    ),
    ("class Rows:\n    " + SPLIT + "pass\n    def __iter__(self): return iter([])", Line("", "Rows has no __len__")),
    ("class Rows:\n    " + SPLIT + "pass\n    def __len__(self): return 3", Line("", "Rows has no __getitem__")),
    (
        "class Rows(list):\n    " + SPLIT + "pass\n    def __len__(self): raise TypeError('endless')",
        Line("", "TypeError: endless (FOLDER/mine.py, line 3)"),
    ),
    ("class Rows(list):\n    " + SPLIT + "pass", Line("", "empty")),
    ("class Rows(list):\n    " + SPLIT + "pass\n    def __len__(self): return 3", Line("", "row 0 raised IndexError")),
]
# The rows of such a class.
ROWS = [
    ("[('a', 1)]", Line("", "row 0 is tuple")),
    ("[{'sentnce': 'a', 'label': 1}]", Line("", "(sentnce, label)", nearest="sentnce")),
    ("[{'sentence': 'a', 'label': 1}, {'sentence': b'b', 'label': 1}]", Line("", "bytes in row 1")),
    (
        "[{'sentence': 'a', 'label': 1}, {'sentence': 'b\\udc80', 'label': 1}]",
        Line("", "a lone surrogate in row 1: \\udc80 at character 2"),
    ),
    ("[{'sentence': 'a', 'label': 1}, {'sentence': 'b', 'label': 2}]", Line("", "2 in row 1")),
    ("[{'sentence': 'a', 'label': 0.5}]", Line("", "0.5 in row 0")),
    ("[{'sentence': 'a', 'label': -2}]", Line("", "-2 in row 0")),
    ("[{'sentence': 'a', 'label': 'acceptible'}]", Line("", "'acceptible' in row 0", nearest="acceptable")),
    ("[{'sentence': 'a', 'label': [1]}]", Line("", "[1] in row 0")),
    ("[{'sentence': 'a', 'label': float('nan')}]", Line("", "nan in row 0")),
    ("[{'sentence': 'a'}, {'sentence': 'a', 'label': 1}]", Line("", "row 1")),
]
