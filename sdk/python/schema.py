#!/usr/bin/env python3
"""Writes the messages of hostapi/plugin.proto into takhost.py.

    python3 sdk/python/schema.py            writes them
    python3 sdk/python/schema.py --check    says whether they are up to date
"""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
MODULE = HERE / "takhost.py"
PROTO = HERE.parent.parent / "hostapi" / "plugin.proto"
BEGIN, END = "# begin of plugin.proto\n", "# end of plugin.proto\n"
SCALARS = {"uint32": "u", "uint64": "u", "int32": "i", "int64": "i", "bool": "?", "double": "d", "string": "s", "bytes": "b"}


def schema(proto):
    text = re.sub(r"//.*", "", proto)
    enums, messages = {}, {}
    for kind, name, body in re.findall(r"^(enum|message) (\w+) \{(.*?)^\}", text, re.S | re.M):
        if kind == "enum":
            enums[name] = re.findall(r"(\w+) = (\w+);", body)
        else:
            messages[name] = re.findall(r"(repeated )?(\w+) (\w+) = (\d+);", body)
    lines = ['_ENUMS = """']
    for name, values in enums.items():
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() + "_"
        lines.append(name + " " + " ".join("%s=%d" % (v.removeprefix(prefix), int(n, 0)) for v, n in values))
    lines += ['"""', '_MESSAGES = """']
    for name, fields in messages.items():
        parts = [name]
        for repeated, kind, field, number in fields:
            code = SCALARS.get(kind) or ("u" if kind in enums else "@" + kind)
            if code == "@" + kind and kind not in messages:
                sys.exit("%s.%s is of an unknown type %s" % (name, field, kind))
            parts.append("%s=%s%s%s" % (field, number, code, "*" if repeated else ""))
        lines.append(" ".join(parts))
    return "\n".join(lines + ['"""']) + "\n"


def main():
    module = MODULE.read_text()
    before, rest = module.split(BEGIN)
    _, after = rest.split(END)
    want = before + BEGIN + schema(PROTO.read_text()) + END + after
    if sys.argv[1:] == ["--check"]:
        if want != module:
            sys.exit("the messages in takhost.py are not those of plugin.proto: run sdk/python/schema.py")
    else:
        MODULE.write_text(want)


if __name__ == "__main__":
    main()
