"""Files with criteria of a user's own, for the tests of this folder."""

SIZE = "import numpy as np\ndef rule(e):\n    return np.abs(e.weights)\n"


def write(folder, **files):
    """Files with that content, Python unless their name says otherwise; the name of the criterion in rules.py."""
    for name, content in files.items():
        path = folder / (name + ("" if "." in name else ".py"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return f"{folder / 'rules.py'}:rule"
