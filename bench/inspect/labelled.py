"""Writes labelled texts: values of known types put into sentences, tool answers, mails and code. Standard library only;
check digits are computed here, apart from the detector's own arithmetic. Same seed, same texts.

The second such set. The detectors were tuned on the first; this one was written, with other sentences, other ways of
writing a value and other harmless numbers, before any detector ran on it, and no detector is tuned on it.

Usage: labelled.py OUT.jsonl
Each line: {"text", "values": [[type, first byte, last byte], ...]}
"""

import base64
import json
import random
import string
import sys
import zlib

R = random.Random(16180)


def digits(count):
    return "".join(R.choice(string.digits) for _ in range(count))


def luhn_digit(body):
    total = 0
    for at, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if at % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def card():
    prefix, length = R.choice([("4", 16), ("51", 16), ("55", 16), ("34", 15), ("37", 15), ("6011", 16), ("3528", 16), ("36", 14), ("4", 13), ("4", 19), ("5018", 12), ("6304", 13), ("6759", 19)])
    body = prefix + digits(length - len(prefix) - 1)
    number = body + luhn_digit(body)
    if len(number) == 16 and R.random() < 0.5:
        return R.choice([" ", "-"]).join(number[at:at + 4] for at in range(0, 16, 4))
    return number


def iban():
    country, shape = R.choice([("AT", "n" * 16), ("BE", "n" * 12), ("DK", "n" * 14), ("FI", "n" * 14), ("IT", "a" + "n" * 10 + "c" * 12), ("PT", "n" * 21), ("SE", "n" * 20), ("IE", "aaaa" + "n" * 14), ("LU", "nnn" + "c" * 13), ("DE", "n" * 18), ("FR", "n" * 10 + "c" * 11 + "nn"), ("GB", "aaaa" + "n" * 14), ("ES", "n" * 20)])
    bban = "".join({"n": lambda: R.choice(string.digits), "a": lambda: R.choice(string.ascii_uppercase), "c": lambda: R.choice(string.digits + string.ascii_uppercase)}[sign]() for sign in shape)
    number = "".join(str(int(sign, 36)) for sign in bban + country + "00")
    text = f"{country}{98 - int(number) % 97:02}{bban}"
    return " ".join(text[at:at + 4] for at in range(0, len(text), 4)) if R.random() < 0.4 else text


def email():
    user = R.choice(["marta", "t.okafor", "li-wei", "billing+q3", "a_b", "zoe99", "no.reply", "hr", "d'arcy", "rené.dupont"]) + R.choice(["", digits(3)])
    return f"{user}@{R.choice(['example.org', 'post.example.net', 'shop.example.com.au', 'a1.example.io', 'dept.uni.example.ac.uk', 'my-firm.example.fr'])}"


def phone():
    return R.choice([
        lambda: f"+1-{R.randint(201, 989)}-{R.randint(200, 999)}-{digits(4)}",
        lambda: f"+1 ({R.randint(201, 989)}) {R.randint(200, 999)}-{digits(4)}",
        lambda: f"({R.randint(201, 989)}) {R.randint(200, 999)}-{digits(4)}",
        lambda: f"{R.randint(201, 989)}.{R.randint(200, 999)}.{digits(4)}",
        lambda: f"1-{R.choice(['800', '888', '877'])}-{R.randint(200, 999)}-{digits(4)}",
        lambda: f"+4479{digits(8)}",
        lambda: f"+44 161 {R.randint(200, 999)} {digits(4)}",
        lambda: f"07{R.randint(400, 999)} {digits(6)}",
        lambda: f"+49 (0)89 {R.randint(2, 9)}{digits(6)}",
        lambda: f"+49 171 {digits(7)}",
        lambda: f"+331{digits(8)}",
        lambda: f"+39 02 {R.randint(2, 9)}{digits(3)} {digits(4)}",
        lambda: f"+31 6 {R.randint(1, 5)}{digits(7)}",
        lambda: f"+41 44 {R.randint(200, 999)} {digits(2)} {digits(2)}",
        lambda: f"+48 {R.choice(['501', '602', '790'])} {digits(3)} {digits(3)}",
        lambda: f"+46 70 {R.randint(100, 999)} {digits(2)} {digits(2)}",
        lambda: f"+7 916 {digits(3)}-{digits(2)}-{digits(2)}",
        lambda: f"+86 139 {digits(4)} {digits(4)}",
        lambda: f"+52 55 {R.randint(1000, 9999)} {digits(4)}",
        lambda: f"+27 82 {digits(3)} {digits(4)}",
        lambda: f"+65 {R.choice('689')}{digits(3)} {digits(4)}",
    ])()


def ip():
    kind = R.random()
    if kind < 0.15:
        return f"fe80::{R.randrange(1, 65535):x}:{R.randrange(1, 65535):x}:{R.randrange(1, 65535):x}:{R.randrange(1, 65535):x}"
    if kind < 0.3:
        return ":".join(f"{R.randrange(4096, 65535):x}" for _ in range(8))
    return f"{R.choice([10, 172, 192, 203, 81, 45])}.{R.randint(0, 255)}.{R.randint(0, 255)}.{R.randint(1, 254)}"


def mac():
    sign = R.choice(":-")
    return sign.join(f"{R.randint(1, 255):02x}" for _ in range(6))


def wallet():
    import hashlib
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    body = b"\0" + R.randbytes(20)
    raw = body + hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = alphabet[rest] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def us_ssn():
    return f"{R.choice([R.randint(1, 665), R.randint(667, 899)]):03}-{R.randint(1, 99):02}-{R.randint(1, 9999):04}"


def gb_nhs():
    while True:
        body = str(R.randint(1, 9)) + digits(8)
        check = 11 - sum(int(digit) * weight for digit, weight in zip(body, range(10, 1, -1))) % 11
        if check != 10:
            number = body + str(check % 11)
            return f"{number[:3]} {number[3:6]} {number[6:]}"


def es_dni():
    body = digits(8)
    return body + "TRWAGMYFPDXBNJZSQVHLCKE"[int(body) % 23]


def it_codice_fiscale():
    odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
    letters = lambda count: "".join(R.choice(string.ascii_uppercase) for _ in range(count))
    body = letters(6) + digits(2) + R.choice("ABCDEHLMPRST") + f"{R.randint(1, 31):02}" + R.choice("ABCDEFGHIL") + digits(3)
    value = lambda sign: int(sign) if sign.isdigit() else ord(sign) - 65
    total = sum(odd[value(sign)] if at % 2 == 0 else value(sign) for at, sign in enumerate(body))
    return body + chr(65 + total % 26)


def pl_pesel():
    body = f"{R.randint(40, 99)}{R.randint(1, 12):02}{R.randint(1, 28):02}{digits(4)}"
    total = sum(int(digit) * weight for digit, weight in zip(body, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]))
    return body + str(-total % 10)


def sg_nric():
    body = digits(7)
    total = sum(int(digit) * weight for digit, weight in zip(body, [2, 7, 6, 5, 4, 3, 2]))
    return "S" + body + "JZIHGFEDCBA"[total % 11]


def in_pan():
    letters = lambda count: "".join(R.choice(string.ascii_uppercase) for _ in range(count))
    return letters(3) + R.choice("PCHF") + letters(1) + digits(4) + letters(1)


def au_tfn():
    while True:
        body = digits(9)
        if sum(int(digit) * weight for digit, weight in zip(body, [1, 4, 3, 7, 5, 8, 6, 9, 10])) % 11 == 0 and len(set(body)) > 1:
            return f"{body[:3]} {body[3:6]} {body[6:]}"


def any_of(alphabet, count):
    return "".join(R.choice(alphabet) for _ in range(count))


ALNUM = string.ascii_letters + string.digits


def secret():
    """A value and the text it is written in."""
    def github():
        body, digits62, text = any_of(ALNUM, 30), string.digits + string.ascii_uppercase + string.ascii_lowercase, ""
        number = zlib.crc32(body.encode())
        for _ in range(6):
            number, rest = divmod(number, 62)
            text = digits62[rest] + text
        return f"ghp_{body}{text}"
    hexes = "0123456789abcdef"
    key, frame = R.choice([
        (lambda: R.choice(["AKIA", "ASIA"]) + any_of(string.ascii_uppercase + "234567", 16), '  "AccessKeyId": "{}",'),
        (lambda: any_of(ALNUM + "/+", 40), "export AWS_SECRET_ACCESS_KEY={}"),
        (github, 'headers = {{"Authorization": "token {}"}}'),
        (lambda: "glpat-" + any_of(ALNUM, 20), "gitlab_token: {}"),
        (lambda: "sk_live_" + any_of(ALNUM, 24), "STRIPE_SECRET={}"),
        (lambda: f"xoxp-{digits(12)}-{digits(12)}-{digits(12)}-{any_of(hexes, 32)}", "slack token {} was posted"),
        (lambda: "SG." + any_of(ALNUM, 22) + "." + any_of(ALNUM, 43), 'sg = new SendGrid("{}")'),
        (lambda: "npm_" + any_of(ALNUM, 36), "echo {} > .npmrc"),
        (lambda: base64.urlsafe_b64encode(b'{"alg":"RS256","typ":"JWT"}').decode().rstrip("=") + "." + base64.urlsafe_b64encode(json.dumps({"iss": "a", "sub": digits(6)}).encode()).decode().rstrip("=") + "." + any_of(ALNUM + "-_", 86), "Authorization: Bearer {}"),
        (lambda: any_of(ALNUM, 10) + R.choice("!@#%") + digits(3), "db_password: '{}'"),
        (lambda: any_of(ALNUM, 30) + digits(3), "API_KEY = '{}'"),
        (lambda: any_of(hexes, 40), 'secret_key="{}"'),
        (lambda: any_of(ALNUM, 14) + digits(2), "mysql://root:{}@db.internal:3306/app"),
        (lambda: "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(any_of(ALNUM + "+/", 64) for _ in range(6)) + "\n-----END RSA PRIVATE KEY-----", "{}"),
    ])
    return key(), frame


CONTEXT = {
    "card": ["paid with {} on Monday", 'pan: "{}"', "INSERT INTO payments VALUES (17, '{}', 'EUR');", "<td>{}</td>", "Card no.: {}"],
    "iban": ["Our account is {}, please use it from now on.", "iban;{};EUR", "beneficiary_iban: {}", "<p>Bank: {}</p>"],
    "email": ["cc {} please", "mailto:{}", "user={};role=admin", "* {} joined the channel", "Contact: {}, office hours 9-5", '"author": "{}",'],
    "phone": ["You can reach her on {}.", "phone,{},home", "WhatsApp: {}", "Mobile {}", "contact_number: '{}'", "<a>Call {}</a>"],
    "ip": ["host {} is down", "bind {} port 8080", "remote_addr={} status=200", "[client {}] denied", "nameserver {}"],
    "mac": ["link/ether {} brd", "MAC address: {}", "dhcp lease for {}"],
    "wallet": ["Donations: {}", "txout address={}", "btc wallet {} received funds"],
    "us_ssn": ["SSN: {}", "employee ssn {} on file", "Social Security No. {}", '"ssn": "{}"'],
    "gb_nhs": ["nhs_number: {}", "NHS No: {}", "registered under NHS {}"],
    "es_dni": ["NIF: {}", "titular con DNI {} y domicilio", '"dni": "{}"'],
    "it_codice_fiscale": ["C.F. {}", "nato a Roma, {}", '"codiceFiscale": "{}"'],
    "pl_pesel": ["nr PESEL {}", '"pesel": "{}"', "PESEL: {}"],
    "sg_nric": ["NRIC No. {}", "identity {} issued", '"nric": "{}"'],
    "in_pan": ["PAN card {}", '"pan_number": "{}"', "PAN: {}"],
    "au_tfn": ["TFN: {}", "tax file number {} provided", '"tfn": "{}"'],
}
PLAIN = [
    lambda: f"Invoice {digits(8)} is due on {R.randint(1, 28)}.{R.randint(1, 12)}.2026, amount {R.randint(10, 9999)},{digits(2)} EUR.",
    lambda: f'{{"order": "{digits(9)}", "qty": {R.randint(1, 40)}, "sku": "{any_of(string.ascii_uppercase, 3)}-{digits(5)}", "at": "2025-{R.randint(1, 12):02}-{R.randint(1, 28):02}T{R.randint(10, 23)}:{R.randint(10, 59)}:{R.randint(10, 59)}Z"}}',
    lambda: f"commit {any_of('0123456789abcdef', 40)} touched {R.randint(2, 90)} files (+{digits(3)} -{digits(2)})",
    lambda: f"{R.randint(100, 999)} {R.randint(100, 999)} {R.randint(1000, 9999)} rows were read in {R.randint(2, 9)}.{digits(3)} s",
    lambda: f"GET /v{R.randint(1, 4)}/items/{digits(6)}?page={R.randint(1, 99)} 200 {digits(5)}",
    lambda: f"flight {any_of(string.ascii_uppercase, 2)}{digits(4)} gate {R.choice('ABC')}{R.randint(1, 40)} at {R.randint(10, 23)}:{R.randint(10, 59)}",
    lambda: f"sensor;{R.randint(-20, 40)}.{digits(1)};{R.randint(900, 1100)}.{digits(2)};{digits(10)}",
    lambda: f"ISBN 978{digits(10)}, {R.randint(80, 900)} pages",
    lambda: f"sha256:{any_of('0123456789abcdef', 64)}",
    lambda: f"request id {any_of('0123456789abcdef', 8)}-{any_of('0123456789abcdef', 4)}-4{any_of('0123456789abcdef', 3)}-b{any_of('0123456789abcdef', 3)}-{any_of('0123456789abcdef', 12)}",
    lambda: "Tokens are counted before the request is sent; the secret sauce is caching.",
    lambda: "if not user.password:\n    raise ValueError('password is required')\n",
    lambda: f"serial {any_of(string.ascii_uppercase + string.digits, 12)}, batch {digits(7)}, made 2024-{R.randint(1, 12):02}",
    lambda: f"Part no. {digits(3)}-{digits(3)}-{digits(3)} fits models {digits(4)} to {digits(4)}.",
    lambda: f"epoch={R.randint(1500000000, 1780000000)} seq={digits(13)} crc={any_of('0123456789abcdef', 8)}",
    lambda: f"The {R.randint(11, 99)}-{digits(7)} series replaced the older one in {R.randint(1970, 2020)}.",
]
MAKERS = {name: globals()[name] for name in CONTEXT}


def line():
    text, values = "", []
    for _ in range(R.randint(1, 4)):
        if R.random() < 0.45:
            text += R.choice(PLAIN)()
        else:
            name = R.choice(list(CONTEXT) + ["secret"] * 3)
            if name == "secret":
                value, frame = secret()
            else:
                value, frame = MAKERS[name](), R.choice(CONTEXT[name])
            frame = frame.replace("{{", "\1").replace("}}", "\2")
            before, after = frame.split("{}")
            before = before.replace("\1", "{").replace("\2", "}")
            after = after.replace("\1", "{").replace("\2", "}")
            start = len((text + before).encode())
            values.append([name, start, start + len(value.encode())])
            text += before + value + after
        text += "\n"
    return {"text": text, "values": values}


def main():
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        for _ in range(4000):
            out.write(json.dumps(line(), ensure_ascii=False) + "\n")


main()
