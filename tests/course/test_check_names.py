"""Which names a cell takes and gives."""

from course.check.names import bound_names, has_statements, imported_modules, needed_names


def test_bound_names():
    source = "import os.path\nfrom a import b as c\nx, y = 1, 2\nz += 1\n"
    source += "def f(p):\n    global g\n    g = q\n"
    assert bound_names(source) == {"os", "c", "x", "y", "z", "f", "g"}
    assert bound_names("class A:\n    inside = 1\n[i for i in range(3)]") == {"A"}


def test_variables_of_comprehensions_are_no_names_of_a_cell():
    assert needed_names("total = sum(i * j for i, j in pairs)") == {"sum", "pairs"}
    assert needed_names("a = [[x for x in row] for row in table]\nprint(x)") == {
        "table", "print", "x",
    }  # fmt: skip
    assert bound_names("i = 1\n{i: i for i in range(3)}") == {"i"}


def test_needed_names():
    source = "def f(p, k=default):\n    local = p + outer\n    return [np.sum(i) for i in local]\n"
    assert needed_names(source) == {"default", "outer", "np"}
    assert needed_names("x = 1\ndef f():\n    return x") == set()
    assert needed_names("def f():\n    def g():\n        return deep\n    return g") == {"deep"}
    assert needed_names("class A(Base):\n    y = helper()") == {"Base", "helper"}


def test_magics_and_broken_text():
    assert needed_names("%matplotlib inline\nx = data") >= {"data"}
    assert needed_names("def f(:") == set()
    assert bound_names("def f(:") == set()
    assert imported_modules("import a.b\ndef f():\n    from c.d import e\n    from . import x") == {
        "a",
        "c",
    }


def test_has_statements():
    assert not has_statements("# only a comment\n")
    assert has_statements("assert f(1) == 2")
