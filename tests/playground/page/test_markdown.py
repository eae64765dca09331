"""Discord's markdown as the page reads it: pure functions, asked in the browser that runs them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playground.server import Playground
from tests.browser import Window, Windows

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def call(window: Window, module: str, function: str, *arguments: object) -> Any:
    return await window.page.evaluate(
        "async ([path, name, given]) => (await import(path))[name](...given)",
        [f"/static/{module}", function, list(arguments)],
    )


def sketch(nodes: list[dict[str, Any]]) -> str:
    """A tree in a line: strong(a em(b))."""
    return " ".join(_sketch(node) for node in nodes)


def _sketch(node: dict[str, Any]) -> str:
    match node["type"]:
        case "text":
            return str(node["text"])
        case "break":
            return "⏎"
        case "list":
            kind = "ol" if node["ordered"] else "ul"
            return f"{kind}({' · '.join(sketch(item) for item in node['items'])})"
        case "link":
            return f"link[{node['href']}]({sketch(node['children'])})"
        case "time":
            return f"time[{node['seconds']} {node['style']}]"
        case "mention":
            return f"{node['kind']}[{node['id']}]"
        case "code" | "codeblock":
            return f"{node['type']}({node['text']})"
        case "emoji":
            return f"emoji({node['name']})"
        case "paragraph":
            return sketch(node["children"])
        case other:
            return f"{other}({sketch(node['children'])})"


CASES = [
    ("plain words", "plain words"),
    ("**a** *b* _c_ __d__ ~~e~~ ||f||", "strong(a)   em(b)   em(c)   underline(d)   strike(e)   spoiler(f)"),
    ("**a *b***", "strong(a  em(b))"),
    ("***a***", "em(strong(a))"),
    ("*a **b** c*", "em(a  strong(b)  c)"),
    ("snake_case_name", "snake_case_name"),
    ("2 * 3 * 4", "2 * 3 * 4"),
    ("**never closed", "**never closed"),
    ("****", "****"),
    (r"\*a\* \`b\` \<@1>", "*a* `b` <@1>"),
    ("`a *b*` ``c ` d``", "code(a *b*)   code(c ` d)"),
    ("```py\nx = 1\n``` after", "codeblock(x = 1)  after"),
    ("before ```x```", "before  codeblock(x)"),
    ("# One\n## Two\n### Three\n#nothing", "heading(One) heading(Two) heading(Three) #nothing"),
    ("-# small *print*", "subtext(small  em(print))"),
    ("> a\n> b\nc", "quote(a ⏎ b) c"),
    (">>> a\nb", "quote(a ⏎ b)"),
    ("- a\n- b\n  - c\n1. d", "ul(a · b ul(c)) ol(d)"),
    ("[words](https://example.com/a_(b))", "link[https://example.com/a_(b)](words)"),
    ("[words](javascript:alert(1))", "[words](javascript:alert(1))"),
    ("[words](data:text/html,x)", "[words](data:text/html,x)"),
    ("see https://example.com/a_b.", "see  link[https://example.com/a_b](https://example.com/a_b) ."),
    ("(https://example.com)", "( link[https://example.com](https://example.com) )"),
    ("<https://example.com>", "link[https://example.com](https://example.com)"),
    (
        "<@1> <@!2> <@&3> <#4> @everyone @here",
        "user[1]   user[2]   role[3]   channel[4]   everyone[]   everyone[]",
    ),
    ("</imagine:5> <:cat:6> <a:dog:7>", "command[5]   emoji(cat)   emoji(dog)"),
    ("<t:10> <t:20:R>", "time[10 f]   time[20 R]"),
    ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ("a\n\nb", "a ⏎ ⏎ b"),
    ("", ""),
]


async def test_text_becomes_the_tree_it_means(playground: Playground, windows: Windows) -> None:
    window = await windows.open(playground.url)
    for text, wanted in CASES:
        assert sketch(await call(window, "markdown.js", "parse", text)) == wanted, text


async def test_blocks_are_read_out_with_something_between_them(
    playground: Playground, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    read = """async (text) => {
        const { parse, plain } = await import("/static/markdown.js");
        return plain(parse(text));
    }"""
    text = "> a **red** circle\nDrawing step 2\n- one\n- two"
    assert await window.page.evaluate(read, text) == "a red circle\nDrawing step 2\none\ntwo"


async def test_what_is_read_out_has_names_and_no_ids(playground: Playground, windows: Windows) -> None:
    window = await windows.open(playground.url)
    read = """async (text) => {
        const { parse, plain } = await import("/static/markdown.js");
        const names = { user: (id) => (id === "1" ? "Anna" : null), channel: () => "pictures" };
        return plain(parse(text), names);
    }"""
    text = "<@1> and <@2> in **<#3>**, <@&4>"
    assert await window.page.evaluate(read, text) == "@Anna and @2 in #pictures, @4"


async def test_no_text_takes_long_or_is_lost(playground: Playground, windows: Windows) -> None:
    window = await windows.open(playground.url)
    pieces = ["*", "_a", "[", "**a", "`", "> ", "||", "*_", "[](", "<", "***a", "- ", "http://", "\\"]
    hard = [piece * (4000 // len(piece)) for piece in pieces]
    for text in hard:
        milliseconds = await window.page.evaluate(
            """async (text) => {
                const { parse } = await import("/static/markdown.js");
                const start = performance.now();
                parse(text);
                return performance.now() - start;
            }""",
            text,
        )
        assert milliseconds < 10_000, text[:10]


COMMAND: dict[str, Any] = {
    "id": "1",
    "version": "2",
    "name": "draw",
    "description": "Draw",
    "options": [
        {"type": 3, "name": "prompt", "description": "What", "required": True, "max_length": 10},
        {"type": 4, "name": "steps", "description": "How", "min_value": 1, "max_value": 50},
        {"type": 10, "name": "guidance", "description": "How much", "min_value": 0.5},
        {"type": 3, "name": "size", "description": "Size", "choices": [{"name": "Wide one", "value": "w"}]},
        {"type": 5, "name": "private", "description": "Only me"},
        {"type": 6, "name": "who", "description": "Who"},
    ],
}
DIRECTORY = {"users": [{"id": "9", "name": "Mina"}], "channels": [], "roles": []}


async def test_options_are_checked_in_words(playground: Playground, windows: Windows) -> None:
    window = await windows.open(playground.url)
    cases = [
        ("prompt", "", {"problem": "This option is required."}),
        ("prompt", "a cat", {"value": "a cat"}),
        ("prompt", "🐈" * 10, {"value": "🐈" * 10}),
        ("prompt", "x" * 11, {"problem": "Write at most 10 characters; these are 11."}),
        ("steps", "", {}),
        ("steps", "20", {"value": 20}),
        ("steps", "2.5", {"problem": "Enter a whole number."}),
        ("steps", "0", {"problem": "The smallest value is 1."}),
        ("steps", "51", {"problem": "The largest value is 50."}),
        ("guidance", "7.5", {"value": 7.5}),
        ("guidance", "1e3", {"problem": "Enter a number, such as 7.5."}),
        ("size", "wide ONE", {"value": "w"}),
        ("size", "narrow", {"problem": "Pick one of the choices."}),
        ("private", "true", {"value": True}),
        ("who", "@mina", {"value": "9"}),
    ]
    options = {option["name"]: option for option in COMMAND["options"]}
    for name, text, wanted in cases:
        checked = await call(window, "options.js", "check", options[name], {"text": text}, DIRECTORY)
        assert checked == wanted, (name, text)


async def test_a_line_is_read_as_options_or_as_words(playground: Playground, windows: Windows) -> None:
    window = await windows.open(playground.url)
    read = """async ([command, rest]) => {
        const { entries, readOptions } = await import("/static/options.js");
        return Object.fromEntries(readOptions(entries([command])[0], rest));
    }"""
    cases = {
        "a red star": {"prompt": "a red star"},
        "prompt:a red star steps:20": {"prompt": "a red star", "steps": "20"},
        "steps: 3 prompt: x": {"steps": "3", "prompt": "x"},
        "a star, size: small": {"prompt": "a star, size: small"},
        "": {},
    }
    for rest, wanted in cases.items():
        assert await window.page.evaluate(read, [COMMAND, rest]) == wanted, rest


async def test_subcommands_nest_in_the_request(playground: Playground, windows: Windows) -> None:
    window = await windows.open(playground.url)
    show = {
        "type": 1,
        "name": "show",
        "description": "Show",
        "options": [{"type": 3, "name": "key", "description": "k"}],
    }
    group = {"type": 2, "name": "mine", "description": "Mine", "options": [show]}
    command = {"id": "1", "version": "2", "name": "settings", "description": "S", "options": [group]}
    data = await window.page.evaluate(
        """async (command) => {
            const { entries, commandData } = await import("/static/options.js");
            return commandData(entries([command])[0], new Map([["key", "a"]])).data;
        }""",
        command,
    )
    inner = [{"type": 3, "name": "key", "value": "a"}]
    assert data["options"] == [
        {"type": 2, "name": "mine", "options": [{"type": 1, "name": "show", "options": inner}]}
    ], json.dumps(data)
