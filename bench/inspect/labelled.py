"""Writes labelled texts: values of known types put into sentences, tool answers, mails and code. Standard library only;
check digits are computed here, apart from the detector's own arithmetic. Same seed, same texts.

Usage: labelled.py OUT.jsonl
Each line: {"text", "values": [[type, first byte, last byte], ...]}
"""

import base64
import json
import random
import string
import sys
import zlib

R = random.Random(20250711)


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
    country, shape = R.choice([("DE", "n" * 18), ("FR", "n" * 10 + "c" * 11 + "nn"), ("GB", "aaaa" + "n" * 14), ("ES", "n" * 20), ("NL", "aaaa" + "n" * 10), ("CH", "n" * 5 + "c" * 12), ("PL", "n" * 24), ("NO", "n" * 11)])
    bban = "".join({"n": lambda: R.choice(string.digits), "a": lambda: R.choice(string.ascii_uppercase), "c": lambda: R.choice(string.digits + string.ascii_uppercase)}[sign]() for sign in shape)
    number = "".join(str(int(sign, 36)) for sign in bban + country + "00")
    text = f"{country}{98 - int(number) % 97:02}{bban}"
    return " ".join(text[at:at + 4] for at in range(0, len(text), 4)) if R.random() < 0.4 else text


def email():
    user = R.choice(["ana", "j.doe", "kim_lee", "sales+eu", "m.o-neil", "x9", "first.last", "info"]) + R.choice(["", digits(2)])
    return f"{user}@{R.choice(['example.com', 'mail.example.org', 'firm.example.co.uk', 'sub.a-b.example.net', 'uni.example.de'])}"


def phone():
    return R.choice([
        lambda: f"+1 {R.randint(201, 989)}-{R.randint(200, 999)}-{digits(4)}",
        lambda: f"({R.randint(201, 989)}) {R.randint(200, 999)}-{digits(4)}",
        lambda: f"{R.randint(201, 989)}-{R.randint(200, 999)}-{digits(4)}",
        lambda: f"+44 20 7{digits(3)} {digits(4)}",
        lambda: f"+49 30 {R.randint(2, 9)}{digits(6)}",
        lambda: f"+33 6 {digits(2)} {digits(2)} {digits(2)} {digits(2)}",
        lambda: f"0{R.randint(1, 7)} {digits(2)} {digits(2)} {digits(2)} {digits(2)}",
        lambda: f"+91 98{digits(3)} {digits(5)}",
        lambda: f"+55 11 9{digits(4)}-{digits(4)}",
        lambda: f"+34 6{digits(2)} {digits(3)} {digits(3)}",
        lambda: f"020 7{digits(3)} {digits(4)}",
        lambda: f"+61 4{digits(2)} {digits(3)} {digits(3)}",
        lambda: f"+81 90-{R.randint(1, 9)}{digits(3)}-{digits(4)}",
    ])()


def ip():
    if R.random() < 0.25:
        return f"2001:db8:{R.randrange(1, 65535):x}::{R.randrange(1, 65535):x}"
    return f"{R.randint(11, 223)}.{R.randint(0, 255)}.{R.randint(0, 255)}.{R.randint(1, 254)}"


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
    key, frame = R.choice([
        (lambda: R.choice(["AKIA", "ASIA"]) + any_of(string.ascii_uppercase + "234567", 16), "aws_access_key_id = {}"),
        (lambda: any_of(ALNUM + "/+", 40), 'aws_secret_access_key = "{}"'),
        (github, "GITHUB_TOKEN={}"),
        (lambda: "glpat-" + any_of(ALNUM, 20), "git clone with {}"),
        (lambda: "sk_live_" + any_of(ALNUM, 24), 'stripe.api_key = "{}"'),
        (lambda: f"xoxb-{digits(12)}-{digits(12)}-{any_of(ALNUM, 24)}", "SLACK={}"),
        (lambda: "SG." + any_of(ALNUM, 22) + "." + any_of(ALNUM, 43), "sendgrid {}"),
        (lambda: "AIza" + any_of(ALNUM + "-_", 35), "key: {}"),
        (lambda: "npm_" + any_of(ALNUM, 36), "//registry.npmjs.org/:_authToken={}"),
        (lambda: "SK" + any_of("0123456789abcdef", 32), "TWILIO_KEY={}"),
        (lambda: base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=") + "." + base64.urlsafe_b64encode(json.dumps({"sub": digits(10)}).encode()).decode().rstrip("=") + "." + any_of(ALNUM, 43), "jwt {}"),
        (lambda: any_of(ALNUM, 9) + R.choice("!#%") + digits(2), 'password = "{}"'),
        (lambda: any_of(ALNUM, 32) + digits(2), 'api_key = "{}"'),
        (lambda: "hvs." + any_of(ALNUM, 90), "VAULT_TOKEN={}"),
        (lambda: any_of(ALNUM, 12) + digits(2), "postgres://app:{}@db.example.org/x"),
    ])
    return key(), frame


CONTEXT = {
    "card": ["Please charge card {}.", '{{"card_number": "{}", "amount": 12.5}}', "Visa {} exp 11/29"],
    "iban": ["Transfer it to IBAN {} today.", '{{"iban": "{}"}}', "Konto: {}"],
    "email": ["Write to {} for details.", '{{"email": "{}"}}', "From: Someone <{}>"],
    "phone": ["Call me at {} after six.", '{{"phone": "{}"}}', "Tel. {}"],
    "ip": ["Connection from {} refused", '{{"client_ip": "{}"}}', "ssh root@{}"],
    "mac": ["device {} joined", '{{"hw": "{}"}}'],
    "wallet": ["send it to {}", '{{"wallet": "{}"}}'],
    "us_ssn": ["His SSN is {}.", "social security number: {}"],
    "gb_nhs": ["NHS number {}", "The patient's NHS no. is {}."],
    "es_dni": ["DNI {}", "con documento {}"],
    "it_codice_fiscale": ["codice fiscale {}", "Il contribuente {}"],
    "pl_pesel": ["PESEL {}", "numer PESEL: {}"],
    "sg_nric": ["NRIC {}", "holder of NRIC {}"],
    "in_pan": ["PAN {}", "permanent account number {}"],
    "au_tfn": ["TFN {}", "tax file number: {}"],
}
PLAIN = [
    lambda: f"Order {digits(10)} was shipped on 2024-{R.randint(1, 12):02}-{R.randint(1, 28):02} at {R.randint(10, 23)}:{R.randint(10, 59)}.",
    lambda: f'{{"id": {digits(12)}, "timestamp": {R.randint(1600000000, 1760000000)}, "price": {R.randint(1, 999)}.{digits(2)}}}',
    lambda: f"Version {R.randint(1, 9)}.{R.randint(0, 40)}.{R.randint(0, 9)} fixes issue {digits(5)}; see build {any_of('0123456789abcdef', 40)}.",
    lambda: f"total {digits(4)} of {digits(7)} bytes, {digits(3)} files, ratio 0.{digits(6)}",
    lambda: f"The product number is {digits(4)}-{digits(4)}-{digits(2)} and the page {digits(3)}.",
    lambda: "The meeting is on Thursday, and the password policy will be discussed there.",
    lambda: f"uuid {any_of('0123456789abcdef', 8)}-{any_of('0123456789abcdef', 4)}-4{any_of('0123456789abcdef', 3)}-a{any_of('0123456789abcdef', 3)}-{any_of('0123456789abcdef', 12)}",
    lambda: "def get_token(request):\n    token = request.headers.get('X-Token')\n    return token or settings.DEFAULT_TOKEN\n",
    lambda: f"tracking number {R.choice(['1Z', 'RR'])}{digits(9)}, weight {R.randint(1, 90)} kg",
    lambda: f"ISBN 978-{R.randint(0, 9)}-{digits(2)}-{digits(6)}-{R.randint(0, 9)}",
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
                value, frame = MAKERS[name](), R.choice(CONTEXT[name]).replace("{{", "\1").replace("}}", "\2")
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
