from controller.translate.hostnames import common, covers, wider


def test_covers() -> None:
    for pattern, host, expected in [
        ("*", "ai.corp.example", True),
        ("*", "*.corp.example", True),
        ("*", "*", True),
        ("ai.corp.example", "ai.corp.example", True),
        ("ai.corp.example", "b.corp.example", False),
        ("*.corp.example", "ai.corp.example", True),
        ("*.corp.example", "a.b.corp.example", True),
        ("*.corp.example", "*.b.corp.example", True),
        ("*.corp.example", "corp.example", False),
        ("*.corp.example", "ai.notcorp.example", False),
        ("*.b.corp.example", "*.corp.example", False),
        ("*.corp.example", "*", False),
        ("ai.corp.example", "*.corp.example", False),
    ]:
        assert covers(pattern, host) is expected, (pattern, host)


def test_common_is_the_narrower() -> None:
    for one, other, expected in [
        ("*", "ai.example", "ai.example"),
        ("*.example", "ai.example", "ai.example"),
        ("*.example", "*.ai.example", "*.ai.example"),
        ("ai.example", "b.example", None),
        ("*.a.example", "*.b.example", None),
        ("*", "*", "*"),
    ]:
        assert common(one, other) == expected
        assert common(other, one) == expected


def test_wider_goes_from_specific_to_any_and_covers() -> None:
    assert list(wider("a.b.c")) == ["a.b.c", "*.b.c", "*.c", "*"]
    assert list(wider("*.b.c")) == ["*.b.c", "*.c", "*"]
    assert list(wider("localhost")) == ["localhost", "*"]
    assert list(wider("*")) == ["*"]
    assert all(covers(each, "a.b.c") for each in wider("a.b.c"))
