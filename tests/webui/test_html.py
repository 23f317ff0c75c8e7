from webui.html import Markup, h, join


def test_text_cannot_become_code() -> None:
    assert h("p", "<script>alert('1')</script>") == "<p>&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;</p>"
    assert h("a", "x", title='"><b>') == '<a title="&quot;&gt;&lt;b&gt;">x</a>'


def test_an_element_inside_another_stays_one() -> None:
    assert h("ul", [h("li", 1), h("li", 2.5)], None) == "<ul><li>1</li><li>2.5</li></ul>"


def test_attributes_take_their_names_from_python() -> None:
    said = h("label", for_="x", class_="y", data_run="z", hidden=True, title=None, disabled=False)
    assert said == '<label for="x" class="y" data-run="z" hidden></label>'


def test_a_mapping_becomes_json_in_an_attribute() -> None:
    assert h("b", data_set={"run": 'a"b'}) == '<b data-set="{&quot;run&quot;: &quot;a\\&quot;b&quot;}"></b>'


def test_half_a_surrogate_pair_can_be_sent() -> None:
    assert h("p", "a\ud83db").encode() == b"<p>a?b</p>"


def test_joined_parts_are_markup() -> None:
    assert join(["<", h("br")]) == Markup("&lt;<br>")
