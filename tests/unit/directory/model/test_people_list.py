"""A list of people that is imported: what it is, and what is wrong with an entry."""

import pytest

from lyncpy.workloads.directory.model.people_list import ListedPerson, ListUnusable, read_list


def test_a_list_is_what_it_looks_like() -> None:
    """The same two people as CSV, with any usual delimiter, as a people file and as JSON of three shapes."""
    nora = {"address": "nora@example.com", "display_name": "Nora"}
    zoe = {"address": "zoe@example.com", "display_name": "Zoë, Ash"}
    texts = (
        '\ufeffAddress,Name\r\nnora@example.com,Nora\r\n\r\nzoe@example.com,"Zoë, Ash"\r\n',
        "sip\tname\nnora@example.com\tNora\nzoe@example.com\tZoë, Ash\n",
        '# people\n[nora]\naddress = "nora@example.com"\ndisplay_name = "Nora"\n'
        '[zoe]\naddress = "zoe@example.com"\ndisplay_name = "Zoë, Ash"\n',
        'nora = {address = "nora@example.com", display_name = "Nora"}\n'
        'zoe = {address = "zoe@example.com", display_name = "Zoë, Ash"}\n',
        '[{"address": "nora@example.com", "display_name": "Nora", "title": null},'
        ' {"address": "zoe@example.com", "display_name": "Zoë, Ash"}]',
        '{"people": [{"address": "nora@example.com", "display_name": "Nora"},'
        ' {"address": "zoe@example.com", "display_name": "Zoë, Ash"}]}',
        '{"nora": {"address": "nora@example.com", "display_name": "Nora"},'
        ' "zoe": {"address": "zoe@example.com", "display_name": "Zoë, Ash"}}',
    )
    for text in texts:
        assert [one.table for one in read_list(text)] == [nora, zoe], text


def test_an_entry_is_named_by_where_it_stands() -> None:
    """By its line, its table or its number."""
    assert [one.where for one in read_list('address,name\na@x.test,"two\nlines"\nb@x.test,\n')] == ["line 3", "line 4"]
    assert [one.where for one in read_list("[nora]\naddress = 'a@x.test'\n")] == ["[nora]"]
    assert [one.where for one in read_list('[{"address": "a@x.test"}]')] == ["entry 1"]
    assert [one.where for one in read_list('{"nora": {"address": "a@x.test"}}')] == ["nora"]


def test_cells_become_what_their_column_is() -> None:
    """Truths, lists and phones; blanks belong to a password; what is empty says nothing."""
    text = (
        "address,hidden,logins,work phone,mobile-phone,password,enabled,until\n"
        'a@x.test,YES,"a;X\\a",+1, ," pw ",no,2030-01-01\n'
    )
    (one,) = read_list(text)
    expected = {
        "address": "a@x.test",
        "hidden": True,
        "logins": ["a", "X\\a"],
        "phones": {"work": "+1"},
        "until": "2030-01-01",
    }
    assert one == ListedPerson("line 2", expected, is_enabled=False, password=" pw ")
    (dated,) = read_list("[a]\naddress = 'a@x.test'\nuntil = 2030-01-01\nenabled = true\n")
    assert dated.table["until"] == "2030-01-01"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("address,hidden\na@x.test,perhaps\n", "must be yes or no"),
        ("address\na@x.test,b\n", "it has 2 cells, and there are 1 columns"),
        ('[{"address": "a@x.test", "rank": 1}]', 'unknown key "rank"'),
        ('[{"address": "a@x.test", "password": 5}]', "the password is no text of 1 to 256"),
        ('[{"address": "a@x.test", "enabled": "no"}]', '"enabled" must be true or false'),
        ('["a@x.test"]', "it is no table"),
        ("[a]\naddress = 'a@x.test'\n[b]\naddress = 'SIP:A@x.test'\n", "[a] has the same address"),
    ],
)
def test_an_entry_that_cannot_be_used_says_why(text: str, why: str) -> None:
    """And keeps nobody else out; a password of one is not kept."""
    last = read_list(text, "json" if text.startswith('["') else "")[-1]
    assert why in last.objection
    assert last.password == ""


@pytest.mark.parametrize(
    ("text", "form", "why"),
    [
        ("", "", "there is nobody in it"),
        ("address,name\n", "", "there is nobody in it"),
        ("[]", "json", "there is nobody in it"),
        ("name\nNora\n", "", 'one of them "address"'),
        ("address,address\na,b\n", "", "each once"),
        ("address,rank\na,b\n", "", 'unknown key "rank"'),
        ('address\n"a@x.test\n', "", "is no CSV"),
        ("[a\n", "", "line 1"),
        ("[[group]]\nname = 'x'\n", "", "groups"),
        ("{", "", "it is no JSON"),
        ("[" * 100_000, "json", "it is no JSON"),
        ("5", "json", "a list of objects"),
    ],
)
def test_a_list_that_is_none_says_why(text: str, form: str, why: str) -> None:
    """As a whole, with the line where there is one."""
    with pytest.raises(ListUnusable, match=why.replace("[", r"\[")):
        read_list(text, form)
