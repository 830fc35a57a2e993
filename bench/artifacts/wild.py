"""Classes whose reading does more than assign, where all that it can come to names nothing that runs programs, opens, loads
or reaches names, for `inert.py`.

A file decides what such code meets: plain values, and objects of the library's own classes. What the code asks them for, and
what that asks for in turn, is followed by name, over all classes of the library: whichever object stands there, its methods
of these names are among those looked at. What can be called may not stand there, nor objects of other libraries: the scanner
sees to that, in a pickle that names such a class.
"""

import sys

from reach import MAKERS, is_fine, is_sink, is_standard

# What is asked of objects by operators, statements and Python's own functions. Makers are looked at where a class is named.
SPOKEN = {"__new__", "__init__", "__post_init__", "__reduce__", "__reduce_ex__", "__getstate__", "__init_subclass__", "__class_getitem__", "__enter__", "__exit__", "__await__", "__aiter__", "__copy__", "__deepcopy__", "__getnewargs__", "__getnewargs_ex__", "__sizeof__", "__str__", "__repr__", "__format__", "__repr_html__", "__dir__", "__subclasshook__", "__set_name__"}
READ = ("__new__", "__setstate__", "__getattr__", "__getattribute__", "__setattr__", "__del__", "__array_finalize__", "__hash__", "__eq__", "__setitem__", "append", "extend", "add", "__missing__", "update")
MOST = 600


def is_dunder(name):
    return name.startswith("__") and name.endswith("__") and name not in SPOKEN


class Library:
    """What a pickle that holds objects of one library alone can come to, by the names of methods."""

    def __init__(self, wild, root, wanted, filled, listed, called, functions):
        self.wild, self.root = wild, root
        self.codes, self.out, self.names = {}, set(), set()
        # What is asked of a class by itself: to be read, and to be called.
        self.entries = {one: set(READ) for one in wanted}
        for one in filled:
            self.entries[one] = {*READ, "*"}
        for one in called:
            self.entries.setdefault(one, set()).update(MAKERS)
        self.functions = {one: wild.spread(*one) for one in functions}
        for one in {*wanted, *listed, *called}:
            self.take(one)
        for bad, asked, classes in self.functions.values():
            self.names |= asked if not bad else set()
            for each in classes:
                self.take(each)
        while self.turn():
            pass

    def take(self, one):
        if one in self.codes:
            return
        gathered = self.wild.world.all(*one)
        self.codes[one] = codes = {}
        for each in gathered[0] if gathered else ():
            for name, code in each.code.items():
                codes.setdefault(name, []).append((each.module, code))
                if name in each.getters:
                    codes.setdefault("*", []).append((each.module, code))
        if gathered is None or any(other.startswith("?") for other in gathered[1]):
            self.out.add(one)

    def turn(self):
        """Whether another look at all classes shows anything new."""
        before = len(self.out), len(self.names), len(self.codes)
        for one in sorted(self.codes.keys() - self.out):
            for name, codes in self.codes[one].items():
                if name in self.names or is_dunder(name) or name in self.entries.get(one, ()):
                    for place, code in codes:
                        self.look(one, place, code)
        return before != (len(self.out), len(self.names), len(self.codes))

    def look(self, one, place, code):
        bad, asked, classes = self.wild.spread_of(place, code)
        if bad or not self.may_name(classes):
            self.out.add(one)
            return
        self.names |= asked
        self.names |= code.own

    def may_name(self, classes):
        """Whether classes that code names are of the library, and may be made there."""
        for each in classes:
            if each[0].split(".")[0] != self.root:
                return False
            self.take(each)
            self.entries.setdefault(each, set()).update(MAKERS)
        return not any(each in self.out for each in classes)

    def is_called(self, function):
        bad, _, classes = self.functions[function]
        return not bad and self.may_name(classes)


class Wild:
    def __init__(self, world, tame):
        self.world, self.tame, self.meant, self.spreads = world, tame, {}, {}
        self.roots = {name.split(".")[0] for name in world.modules}

    def spread(self, module, name):
        """Whether a function leads to what is hard, the attributes that it asks for, and the classes that it names."""
        key = (module, name)
        if key not in self.spreads:
            self.spreads[key] = (False, frozenset(), frozenset())
            self.spreads[key] = self.gather([(module, code) for code in self.world.modules[module].codes[name]], {key})
        return self.spreads[key]

    def spread_of(self, place, code):
        key = id(code)
        if key not in self.spreads:
            self.spreads[key] = self.gather([(place, code)], set())
        return self.spreads[key]

    def gather(self, codes, seen):
        asked, classes, todo = set(), set(), list(codes)
        first = {id(code) for _, code in codes}
        while todo:
            place, code = todo.pop()
            if code.hard or "*" in code.asked or len(seen) > MOST:
                return True, frozenset(), frozenset()
            asked |= code.asked
            if id(code) not in first:
                asked |= code.own
            for text in code.names:
                means = self.means(place, text, code.local)
                if means is False:
                    return True, frozenset(), frozenset()
                if means is None:
                    asked |= set(text.split(".")[1:])
                elif isinstance(means, tuple) and len(means) == 3:
                    classes.add(means[:2])
                    asked |= {means[2]} - {""}
                elif isinstance(means, tuple) and means not in seen:
                    seen.add(means)
                    todo.extend((means[0], each) for each in self.world.modules[means[0]].codes[means[1]])
        return False, frozenset(asked), frozenset(classes)

    def means(self, module, text, local):
        """A function or class by what names it, whether it is harmless, or not: `False`."""
        key = (module, text)
        if not local and key in self.meant:
            return self.meant[key]
        found = self.resolved(module, text, local)
        if not local:
            self.meant[key] = found
        return found

    def resolved(self, module, text, local, depth=0):
        if depth > 15:
            return False
        first, _, rest = text.partition(".")
        if first in local:
            level, base, attribute = local[first]
            if level:
                there = self.world.modules[module]
                parts = module.split(".") if there.package else module.split(".")[:-1]
                base = ".".join([*parts[: len(parts) - level + 1], *([base] if base else [])])
            return self.at(base, attribute, rest, depth + 1)
        for _ in range(10):
            there = self.world.modules.get(module)
            if there is None:
                return self.outside(module, f"{first}.{rest}" if rest else first)
            if first in there.codes or first in there.classes:
                if not self.is_own(module):
                    return self.outside(module, f"{first}.{rest}" if rest else first)
                return (module, first) if first in there.codes else (module, first, rest.split(".")[0])
            if first in there.imports:
                base, attribute = there.imports[first]
                return self.at(base, attribute, rest, depth + 1)
            if first in there.same and there.same[first].split(".")[0] != first:
                first, _, more = there.same[first].partition(".")
                rest = ".".join(part for part in (more, rest) if part)
                continue
            star = next((star for star in there.stars if self.tame.gives(star, first)), None)
            if star is None:
                # A variable, or a name of Python's own.
                return None
            module = star
        return False

    def at(self, base, attribute, rest, depth):
        """What an import gives, and an attribute of that."""
        modules = self.world.modules
        whole = base if attribute is None else f"{base}.{attribute}"
        if attribute is not None and whole not in modules:
            return self.inside(base, f"{attribute}.{rest}" if rest else attribute, depth)
        while rest and f"{whole}.{rest.split('.')[0]}" in modules:
            whole, rest = f"{whole}.{rest.split('.')[0]}", rest.partition(".")[2]
        if not rest:
            return True if self.is_own(whole) else self.outside(whole, "")
        return self.inside(whole, rest, depth)

    def inside(self, module, text, depth):
        known = module in self.world.modules and self.is_own(module)
        return self.resolved(module, text, {}, depth) if known else self.outside(module, text)

    def is_own(self, module):
        return module.split(".")[0] not in sys.stdlib_module_names and module.split(".")[0] != "numpy"

    def outside(self, module, text):
        """Python's own modules, numpy, and what is written in C."""
        whole = f"{module}.{text}" if text else module
        root = module.split(".")[0]
        if root == "numpy" or root == "builtins":
            return True
        if root in sys.stdlib_module_names or is_sink(module):
            # A module by itself is harmless: its names are looked at where they stand.
            return not text or is_fine(whole) or is_standard(module) and not is_sink(module)
        return root in self.roots
