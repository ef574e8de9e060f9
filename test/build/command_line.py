"""Holds the documents against what the programs say of their command lines.

usage: command_line.py SOURCE_DIR PROGRAM...

docs/reference/command-line.md is made of each PROGRAM's --help, and must be what this makes of it; with
XPU_RENEW_GOLDEN=1 in the environment it is written anew. And in every document, a command of one of the programs has no
flag that the program does not know, nor does a flag stand by itself that none of them has.
"""

import os
import pathlib
import re
import subprocess
import sys

PAGE = "docs/reference/command-line.md"
HEAD = """# Command lines

What each program's `--help` says, held together by a test. `--help` itself and `-h` all of them have.
"""
# Where descriptions begin.
COLUMN = 30
# Flags of other projects' programs that documents name by themselves.
FOREIGN = {
    "--as", "--as-group", "--cascade", "--dry-run", "--force-conflicts", "--validate",  # kubectl
    "--preset", "--debian",  # ./dev
}


class Option:
    """A line of --help: "-o,--output TEXT:{table,json}=table REQUIRED"."""

    def __init__(self, left, meaning):
        names, _, rest = left.partition(" ")
        self.names = [re.sub(r"\{.*\}$", "", name) for name in names.split(",")]
        self.meaning = meaning
        # In any order: the library goes by where they are in memory.
        self.needs = sorted(re.findall(r"--[a-z-]+", (re.search(r"Needs:(.*?)(Excludes:|$)", rest) or [""] * 2)[1]))
        self.excludes = sorted(re.findall(r"--[a-z-]+", (re.search(r"Excludes:(.*?)(Needs:|$)", rest) or [""] * 2)[1]))
        rest = re.split(r"Needs:|Excludes:", rest)[0].strip()
        self.required = "REQUIRED" in rest
        default = re.search(r"=(\[.*?\]|\S+)", re.sub(r"in \[.*?\]", "", rest))
        self.default = default[1].strip("[]") if default else ""
        choices = re.search(r":\{(.*?)\}", rest)
        bounds = re.search(r" in \[(\S+) - (\S+)\]", rest)
        kind = re.match(r"(TEXT|U?INT|FLOAT)?", rest)[1]
        if choices:
            self.value = ", ".join(f"`{choice}`" for choice in choices[1].split(","))
        elif bounds:
            self.value = f"number, {float(bounds[1]):.0f} to {float(bounds[2]):.0f}"
        else:
            self.value = {None: "", "TEXT": "text"}.get(kind, "number")
        if "..." in rest:
            self.value += ", more than once"

    def row(self):
        meaning = self.meaning
        for word, others in (("with", self.needs), ("not with", self.excludes)):
            if others:
                meaning += f" ({word} {' and '.join(f'`{other}`' for other in others)})"
        default = "required" if self.required else f"`{self.default}`" if self.default else ""
        cells = [", ".join(f"`{name}`" for name in self.names), self.value, default, meaning]
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


class Command:
    """A program, or one of its verbs."""

    def __init__(self, program, verbs=()):
        self.words = [os.path.basename(program), *verbs]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("XPU_") and key != "KUBECONFIG"}
        text = subprocess.run([program, *verbs, "--help"], check=True, capture_output=True, text=True, env=clean).stdout
        self.about = text.strip().splitlines()[0]
        sections = self._sections(text)
        self.options = [Option(*entry) for entry in sections.get("Options", [])]
        self.options = [option for option in self.options if "--help" not in option.names]
        self.positionals = [f"<{left.split()[0]}>" if "REQUIRED" in left else f"[{left.split()[0]}]"
                            for left, _ in sections.get("Positionals", [])]
        self.verbs = [Command(program, [*verbs, left]) for left, _ in sections.get("Subcommands", [])]

    @staticmethod
    def _sections(text):
        sections, entries = {}, None
        lines = text.splitlines()
        for at, line in enumerate(lines):
            if re.fullmatch(r"[A-Z][a-z]+:", line):
                entries = sections.setdefault(line[:-1], [])
            elif entries is not None and re.match(r"  \S", line):
                after = lines[at + 1] if at + 1 < len(lines) else ""
                if after.startswith(" " * COLUMN):
                    entries.append((line.strip(), after.strip()))
                else:
                    entries.append((line[:COLUMN].strip(), line[COLUMN:].strip()))
        return sections

    def all_flags(self):
        flags = {name for option in self.options for name in option.names} | {"--help", "-h"}
        return flags.union(*(verb.all_flags() for verb in self.verbs))

    def flags_of(self, words):
        """Those that a command line with these words may have."""
        flags = {name for option in self.options for name in option.names} | {"--help", "-h"}
        for verb in self.verbs:
            if verb.words[-1] in words:
                return flags | verb.flags_of(words[words.index(verb.words[-1]) + 1:])
        return flags

    def sections(self):
        title = " ".join([*self.words, *self.positionals])
        yield f"\n{'#' * min(1 + len(self.words), 3)} `{title}`\n{self.about}{'' if self.about.endswith('.') else '.'}\n"
        if self.options:
            yield "\n| Flag | Value | Default | Meaning |\n|---|---|---|---|\n"
            yield "".join(option.row() + "\n" for option in self.options)
        for verb in self.verbs:
            yield from verb.sections()


def code_of(text):
    """The pieces of code in a document, a command with its continuation lines in one piece."""
    inside = False
    block = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            inside = not inside
        elif inside or line.startswith("    "):
            block.append(line.strip())
        else:
            block.extend(re.findall(r"`([^`]+)`", line))
    return block


def wrong_flags(document, text, commands):
    known = FOREIGN.union(*(command.all_flags() for command in commands.values()))
    for code in code_of(text):
        words = code.removeprefix("$ ").split()
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if not words:
            continue
        flags = [re.split(r"[=\]]", word.lstrip("["))[0] for word in words if re.match(r"\[?--[a-z]", word)]
        program = os.path.basename(words[0])
        if program in commands:
            # What stands behind a comment or another program's name is not this program's.
            may = commands[program].flags_of(words[1:])
        elif words[0].startswith("--"):
            may = known
        else:
            continue
        for flag in flags:
            if flag not in may:
                yield f"{document}: {program if program in commands else 'no program'} has {flag}: {code}"


def main():
    root = pathlib.Path(sys.argv[1])
    commands = {os.path.basename(program): Command(program) for program in sys.argv[2:]}
    page = HEAD + "".join(part for command in commands.values() for part in command.sections())
    if os.environ.get("XPU_RENEW_GOLDEN") == "1":
        (root / PAGE).write_text(page)
    problems = []
    there = (root / PAGE).read_text() if (root / PAGE).exists() else ""
    if there != page:
        lines = set(there.splitlines()) ^ set(page.splitlines())
        problems.append(f"{PAGE} is not what --help says; XPU_RENEW_GOLDEN=1 writes it anew. Lines that differ:")
        problems.extend(sorted(lines))
    documents = [path for path in root.rglob("*.md") if not str(path.relative_to(root)).startswith(("build/", "."))]
    if len(documents) < 5:
        problems.append(f"only {len(documents)} documents found: is {root} the source folder?")
    for document in documents:
        problems.extend(wrong_flags(document.relative_to(root), document.read_text(), commands))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
