"""A page as a program reads it: every element with its text, and whether the tags fit into each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br"}


@dataclass
class Element:
    """One element; `text` is that of everything inside."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: list[Element] = field(default_factory=list)

    def all(self, tag: str, class_: str = "") -> list[Element]:
        """Elements below this one with that tag, and that class if one is given."""
        found = []
        for child in self.inside:
            if child.tag == tag and (not class_ or class_ in child.attributes.get("class", "").split()):
                found.append(child)
            found += child.all(tag, class_)
        return found

    def one(self, id_: str) -> Element:
        """The element of that id."""
        (found,) = (e for e in self.every() if e.attributes.get("id") == id_)
        return found

    def every(self) -> list[Element]:
        """All elements below."""
        return [e for child in self.inside for e in (child, *child.every())]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute stands twice: {tag} {names}"
        made = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(made)
        if tag not in VOID:
            self.open.append(made)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


def read(html: str) -> Element:
    """The page; fails where tags do not close in order or an id stands twice."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is never closed"
    ids = [e.attributes["id"] for e in reader.root.every() if "id" in e.attributes]
    assert len(ids) == len(set(ids)), [i for i in ids if ids.count(i) > 1]
    return reader.root
