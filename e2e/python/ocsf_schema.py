"""Judges events by the OCSF schema itself, strictly: what the schema does not name is a fault, and so is a null.

Class, objects, dictionary and types are those of OCSF 1.7.0 as the package pydantic-ocsf carries them: the newest that
a registry has. What 1.8 added and our events use is in `ADDED`, from the schema's own repository (github.com/ocsf/
ocsf-schema: profiles/ai_operation.json, objects/ai_model.json, objects/message_context.json). The attributes of the
profile security_control are from profiles/security_control.json there, with the dictionary's types.
"""

import importlib.resources
import json
import re

PATTERNS = {"hostname_t": r"[A-Za-z0-9._:-]+", "uuid_t": r"[0-9a-fA-F-]{36}"}
INTEGERS = {"integer_t", "long_t", "port_t", "timestamp_t"}
PROFILES = {
    "security_control": {
        "action": {}, "action_id": {"enum": {"0": {}, "1": {}, "2": {}}}, "attacks": {}, "authorizations": {}, "confidence": {}, "confidence_id": {},
        "confidence_score": {}, "disposition": {}, "disposition_id": {}, "firewall_rule": {}, "is_alert": {}, "malware": {},
        "policy": {}, "risk_details": {}, "risk_level": {}, "risk_level_id": {}, "risk_score": {},
    },
    "ai_operation": {"ai_model": {"type": "ai_model"}, "message_context": {"type": "message_context"}},
}
ROLES = {str(number): {} for number in (0, 1, 2, 3, 4, 5, 6, 99)}
ADDED = {
    "ai_model": {"extends": "_entity", "name": "ai_model", "attributes": {
        "name": {"requirement": "required"}, "ai_provider": {"requirement": "required", "type": "string_t"}, "version": {},
    }},
    "message_context": {"extends": "_entity", "name": "message_context", "constraints": {"at_least_one": ["application", "service"]}, "attributes": {
        "ai_role": {"type": "string_t"}, "ai_role_id": {"type": "integer_t", "enum": ROLES}, "application": {"type": "object"}, "service": {},
        "completion_tokens": {"type": "integer_t"}, "prompt_tokens": {"type": "integer_t"}, "total_tokens": {"type": "integer_t"},
    }},
}


class Schema:
    def __init__(self):
        text = importlib.resources.files("ocsf").joinpath("schemas/v1_7_0.json").read_text()
        whole = json.loads(text)
        self.events, self.types = whole["events"], whole["dictionary"]["types"]["attributes"]
        self.objects = {**whole["objects"], **ADDED}
        self.dictionary = whole["dictionary"]["attributes"]

    def attributes(self, table: dict, name: str) -> tuple[dict, dict]:
        """Attributes and constraints of a class or object, with those of all it extends."""
        own = table[name]
        found, constraints = {}, {}
        above = own.get("extends")
        if above and above != name:
            found, constraints = self.attributes(table, above)
        for key, said in own["attributes"].items():
            if key != "$include" and isinstance(said, dict):
                enum = {**found.get(key, {}).get("enum", {}), **said.get("enum", {})}
                found[key] = {**found.get(key, {}), **said, **({"enum": enum} if enum else {})}
        return found, {**constraints, **own.get("constraints", {})}

    def faults(self, event: dict) -> list[str]:
        # A class's uid counts within its category: findings are the second, application activity the sixth.
        category, number = divmod(event["class_uid"], 1000)
        base = {2: "finding", 6: "application"}.get(category)
        (name,) = [name for name, found in self.events.items() if found.get("uid", 0) == number and base and found.get("extends") == base] or [None]
        if name is None:
            return [f"class_uid {event['class_uid']} is unknown"]
        attributes, constraints = self.attributes(self.events, name)
        for profile in event["metadata"].get("profiles", []):
            attributes = {**attributes, **PROFILES[profile]}
        # The schema's own server fills these two in for each class.
        attributes["class_uid"] = {**attributes["class_uid"], "enum": {str(event["class_uid"]): {}}}
        attributes["category_uid"] = {**attributes["category_uid"], "enum": {str(category): {}}}
        faults = self.judge(event, attributes, constraints, "")
        if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            faults.append("type_uid: is not class and activity")
        return faults

    def judge(self, value: dict, attributes: dict, constraints: dict, where: str) -> list[str]:
        faults = []
        for key, said in attributes.items():
            if said.get("requirement") == "required" and key not in value:
                faults.append(f"{where}{key}: required and missing")
        wanted = constraints.get("at_least_one", [])
        if wanted and not any(key in value for key in wanted):
            faults.append(f"{where}: none of {wanted}")
        for key, inner in value.items():
            if key not in attributes:
                faults.append(f"{where}{key}: not in the schema")
                continue
            said = {**self.dictionary.get(key, {}), **{name: part for name, part in attributes[key].items() if part is not None}}
            if said.get("is_array"):
                if not isinstance(inner, list):
                    faults.append(f"{where}{key}: no list")
                    continue
                for number, one in enumerate(inner):
                    faults += self.value(one, said, f"{where}{key}[{number}]")
            else:
                faults += self.value(inner, said, f"{where}{key}")
        return faults

    def value(self, value, said: dict, where: str) -> list[str]:
        kind = said["type"]
        if kind in self.objects and kind != "object":
            if not isinstance(value, dict):
                return [f"{where}: no object"]
            return self.judge(value, *self.attributes(self.objects, kind), f"{where}.")
        if kind in ("object", "json_t"):
            return [] if isinstance(value, dict) else [f"{where}: no object"]
        if kind in INTEGERS:
            if not isinstance(value, int) or isinstance(value, bool):
                return [f"{where}: {value!r} is no {kind}"]
        elif kind == "boolean_t":
            return [] if isinstance(value, bool) else [f"{where}: {value!r} is no boolean"]
        elif kind == "float_t":
            return [] if isinstance(value, (int, float)) else [f"{where}: {value!r} is no number"]
        elif not isinstance(value, str) or not value:
            return [f"{where}: {value!r} is no {kind}"]
        elif kind in PATTERNS and not re.fullmatch(PATTERNS[kind], value):
            return [f"{where}: {value!r} is no {kind}"]
        most = self.types.get(kind, {}).get("max_len")
        if most and isinstance(value, str) and len(value) > most:
            return [f"{where}: longer than {most}"]
        enum = said.get("enum")
        if enum and str(value) not in enum:
            return [f"{where}: {value!r} is not one of {sorted(enum)}"]
        return []
