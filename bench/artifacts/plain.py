"""Whether a method of a library does no more than assign, for `inert.py`."""

import ast

from functions import dotted

# What is asked of any object.
ALWAYS = {"__new__", "__setstate__", "__getattr__", "__getattribute__", "__del__", "__array_finalize__"}
# What is asked of few.
FILLING = {"__setitem__", "append", "extend", "add", "__missing__"}
HASHING = {"__hash__", "__eq__"}
INJECTING = ("__setstate__", "__new__", "__del__", "__getattr__", "__getattribute__", "__setattr__", "__class__ =")
# Python's classes, whose methods a class calls by name.
OWN = {"list", "dict", "set", "object", "tuple"}
# Calls that give something new and ask nothing.
MAKES = {"OrderedDict", "dict", "list", "set", "tuple", "Lock", "RLock", "Event", "Condition", "WeakValueDictionary", "WeakKeyDictionary", "WeakSet", "defaultdict", "Counter", "deque", "object", "local"}


STRANGE = (
    ast.Import, ast.ImportFrom, ast.With, ast.Global, ast.Yield, ast.YieldFrom, ast.Await, ast.While, ast.For, ast.NamedExpr, ast.JoinedStr, ast.BinOp,
    ast.Subscript, ast.Starred, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda, ast.Try, ast.Assign, ast.AugAssign, ast.Delete,
)


class Plain(ast.NodeVisitor):
    """Whether a method assigns, and asks nothing of values that are not texts, its own dictionary or the state itself."""

    def __init__(self, function, words=(), alone=False, state=False):
        named = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        # The object, then the state that was read. `words` are those of its parameters that are texts by Python's own making.
        self.own, self.given = (named or ["self"])[0], set(named[1:2]) if state else set()
        self.words = set(named[1:][at] for at in words if at < len(named) - 1)
        # Nothing of a file reaches it.
        self.alone = alone
        # Names for anything else.
        self.others = set(named[1:]) - self.given - self.words
        self.sets, self.reads, self.named, self.fine = set(), set(), set(), True
        for node in function.body:
            self.visit(node)

    def odd(self, *_):
        self.fine = False

    visit_Import = visit_ImportFrom = visit_With = visit_AsyncWith = visit_Lambda = visit_Yield = visit_YieldFrom = odd
    visit_Await = visit_Global = visit_Nonlocal = visit_While = visit_FunctionDef = visit_ClassDef = visit_AugAssign = odd
    visit_AsyncFor = visit_AsyncFunctionDef = visit_Match = visit_NamedExpr = visit_Assert = odd

    def is_table(self, node):
        """A dictionary or tuple that Python or the pickle made itself: the state, `self.__dict__`, `vars(self)`."""
        if isinstance(node, (ast.Constant, ast.Dict, ast.Tuple, ast.List, ast.Set)):
            return True
        if isinstance(node, ast.Name):
            return node.id in self.given or self.alone
        if isinstance(node, ast.Attribute) and node.attr == "__dict__":
            return isinstance(node.value, ast.Name)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("dict", "vars", "list", "tuple"):
            return all(self.is_table(one) or self.is_own(one) and node.func.id == "vars" for one in node.args)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("items", "keys", "values", "copy"):
            return self.is_table(node.func.value)
        return False

    def is_keys(self, node):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"
        return called and self.is_table(node) or isinstance(node, ast.Attribute) and node.attr == "__dict__" and self.is_table(node)

    def is_own(self, node):
        return isinstance(node, ast.Name) and node.id == self.own

    def is_word(self, node):
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.Name):
            return node.id in self.words
        if isinstance(node, ast.Call) and dotted(node.func) in ("len", "type", "id"):
            return True
        text = dotted(node) or ""
        return text.endswith(("__name__", "__qualname__", "__class__")) or text == "__version__"

    def visit_Subscript(self, node):
        self.fine &= self.is_table(node.value) or self.alone
        self.generic_visit(node)

    def visit_For(self, node):
        self.fine &= self.is_table(node.iter) or self.alone
        self.taken(node.target)
        self.generic_visit(node)

    def taken(self, target):
        names = {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
        self.given -= names
        self.others |= names

    def visit_comprehension(self, node):
        self.fine &= self.is_table(node.iter) or self.alone
        self.taken(node.target)
        self.generic_visit(node)

    def visit_Compare(self, node):
        sides = [node.left, *node.comparators]
        for left, operator, right in zip(sides, node.ops, sides[1:]):
            if isinstance(operator, (ast.Is, ast.IsNot)) or self.alone:
                continue
            if isinstance(operator, (ast.In, ast.NotIn)):
                self.fine &= self.is_word(left) and self.is_table(right)
            else:
                self.fine &= self.is_word(left) and self.is_word(right)
        self.generic_visit(node)

    def truth(self, node):
        if isinstance(node, ast.BoolOp):
            return all(map(self.truth, node.values))
        if isinstance(node, ast.UnaryOp):
            return self.truth(node.operand)
        return isinstance(node, (ast.Compare, ast.Constant, ast.Call)) and self.answers(node) or self.is_table(node) or self.is_word(node) or self.alone

    def answers(self, node):
        return not isinstance(node, ast.Call) or dotted(node.func) in ("isinstance", "hasattr", "issubclass", "len", "callable") or isinstance(node.func, ast.Attribute) and node.func.attr in ("startswith", "endswith")

    def visit_If(self, node):
        self.fine &= self.truth(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node):
        self.fine &= self.truth(node.test)
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        self.fine &= all(map(self.truth, node.values))
        self.generic_visit(node)

    def visit_BinOp(self, node):
        self.fine &= self.alone or self.is_word(node.left) and self.is_word(node.right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        self.fine &= isinstance(node.op, ast.Not) and self.truth(node.operand) or isinstance(node.operand, ast.Constant)
        self.generic_visit(node)

    def visit_FormattedValue(self, node):
        self.fine &= self.is_word(node.value)
        self.generic_visit(node)

    def visit_Starred(self, node):
        self.fine &= self.is_table(node.value) or self.alone
        self.generic_visit(node)

    def visit_Delete(self, node):
        self.fine &= all(isinstance(one, ast.Name) or isinstance(one, ast.Subscript) and self.is_table(one.value) for one in node.targets)
        self.generic_visit(node)

    def visit_Assign(self, node):
        for target in node.targets:
            self.assigned(target, node.value)
        self.visit(node.value)

    def visit_AnnAssign(self, node):
        if node.value:
            self.assigned(node.target, node.value)
            self.visit(node.value)

    def assigned(self, target, value):
        if isinstance(target, (ast.Tuple, ast.List)):
            self.fine &= self.is_table(value) or self.alone
            for one in target.elts:
                self.assigned(one, ast.Constant(None))
        elif isinstance(target, ast.Attribute):
            self.fine &= isinstance(target.value, ast.Name) and (target.value.id == self.own or self.alone)
            self.sets.add(target.attr)
        elif isinstance(target, ast.Subscript):
            self.visit(target)
        elif isinstance(target, ast.Starred):
            self.assigned(target.value, ast.Constant(None))
        elif isinstance(target, ast.Name):
            # A name for the state, or a copy of it, is the state; any other is not.
            if self.is_table(value) and not isinstance(value, ast.Constant):
                self.given.add(target.id)
            else:
                self.taken(target)
        else:
            self.odd()

    def visit_Attribute(self, node):
        if self.is_own(node.value):
            self.reads.add(node.attr)
        elif not self.alone:
            # An attribute of what is an attribute: of whose class, the pickle says.
            above = node.value
            called = isinstance(above, ast.Call) and dotted(above.func) in ("super", "type")
            own = isinstance(above, ast.Attribute) and above.attr in ("__dict__", "__class__")
            module = isinstance(above, (ast.Name, ast.Attribute)) and not (dotted(above) or self.own).split(".")[0] == self.own
            module &= (dotted(above) or "").split(".")[0] not in self.others
            self.fine &= called or own or module or self.is_table(above) or self.is_word(above)
        self.generic_visit(node)

    def visit_Call(self, node):
        self.fine &= self.may_call(node)
        self.generic_visit(node)

    def may_call(self, node):
        name, arguments = dotted(node.func) or "", node.args
        last = name.rpartition(".")[2]
        table = lambda one: self.is_table(one) or self.is_own(one) or self.is_word(one) or self.alone
        if isinstance(node.func, ast.Name):
            if name in ("isinstance", "issubclass", "type", "id", "super", "callable"):
                return True
            if name in ("hasattr", "getattr"):
                # A class may say what its attribute is. That of another object's is not known.
                if len(arguments) > 1 and self.is_own(arguments[0]):
                    self.reads.add(arguments[1].value if isinstance(arguments[1], ast.Constant) else "*")
                return bool(arguments) and table(arguments[0])
            if name == "setattr":
                self.sets.add("*")
                return bool(arguments) and self.is_own(arguments[0])
            if name in ("str", "repr", "int", "float", "bool", "sorted", "set", "any", "all", "min", "max"):
                # These ask the elements, too: keys are texts, or were asked when they became keys.
                return all(self.is_word(one) or self.is_keys(one) or self.alone for one in arguments)
            if name in ("len", "dict", "list", "tuple", "vars", "zip", "enumerate", "iter", "next", "range"):
                return all(self.is_table(one) or self.is_word(one) or self.alone or name == "vars" for one in arguments)
        library = name.split(".")[0] not in {self.own, *self.given}
        if library and (last in MAKES and not arguments and not node.keywords or last == "defaultdict" and all(isinstance(one, ast.Name) for one in arguments)):
            return True
        if library and last.endswith(("Error", "Exception")):
            return all(self.is_word(one) or isinstance(one, (ast.JoinedStr, ast.Name, ast.BinOp)) for one in arguments)
        if library and last.endswith("Warning") or name in ("warnings.warn", "warn"):
            return all(self.is_word(one) or isinstance(one, (ast.JoinedStr, ast.BinOp)) or (dotted(one) or "").endswith("Warning") for one in arguments)
        if name in ("object.__setattr__", "object.__getattribute__", "object.__new__", "object.__delattr__"):
            return True
        if not isinstance(node.func, ast.Attribute):
            return False
        above, method = node.func.value, node.func.attr
        known = ALWAYS | FILLING | {"__setattr__", "__init_subclass__"}
        if isinstance(above, ast.Call) and dotted(above.func) == "super" and method in known:
            # That of what it is made from, which is looked at there.
            return True
        if isinstance(above, ast.Name) and method in known:
            # Another class by its name: it has to be one that this is made from.
            self.named.add(above.id)
            return above.id in OWN or above.id[:1].isupper() and method.startswith("__")
        if method in ("startswith", "endswith", "lower", "upper", "strip", "format", "join", "replace"):
            return self.is_word(above) and all(map(table, arguments))
        if method in ("get", "pop", "setdefault", "items", "keys", "values", "copy", "update", "append", "extend"):
            # Of `update`, the argument is walked.
            return self.is_table(above) and (method not in ("update", "extend") or all(map(table, arguments)))
        return False


def compares(function):
    """Whether `__hash__` or `__eq__` does no more than hash and compare attributes, each for itself: no iteration, no length,
    no text and no truth of theirs."""
    for node in ast.walk(function):
        if isinstance(node, STRANGE):
            return False
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) or isinstance(node.value, ast.Call) and dotted(node.value.func) in ("super", "type")):
            return False
        if isinstance(node, ast.Compare) and not all(isinstance(one, (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)) for one in node.ops):
            return False
        if isinstance(node, (ast.BoolOp, ast.If, ast.IfExp, ast.UnaryOp)) and not all(map(answers, tests(node))):
            return False
        if isinstance(node, ast.Call):
            known = dotted(node.func) in ("hash", "isinstance", "issubclass", "type", "id", "super")
            above = isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call) and dotted(node.func.value.func) == "super"
            if not known and not (above and node.func.attr in HASHING):
                return False
    return True


def tests(node):
    """What a node asks for its truth."""
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    return [node.test]


def answers(node):
    if isinstance(node, ast.BoolOp):
        return all(map(answers, node.values))
    if isinstance(node, ast.UnaryOp):
        return answers(node.operand)
    return isinstance(node, (ast.Compare, ast.Constant)) or isinstance(node, ast.Call) and dotted(node.func) in ("isinstance", "issubclass")
