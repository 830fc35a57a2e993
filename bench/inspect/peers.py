"""Runs Presidio's pattern recognisers and detect-secrets on labelled texts, and prints one JSON object.

Usage: peers.py LABELLED.jsonl
"""

import json
import os
import sys
import tempfile
import time

from presidio_analyzer import predefined_recognizers as known
from detect_secrets import SecretsCollection
from detect_secrets.settings import default_settings

# Type of the labelled set, recogniser, its entity, languages it is made for.
RECOGNISERS = {
    "email": ("EmailRecognizer", "EMAIL_ADDRESS"),
    "phone": ("PhoneRecognizer", "PHONE_NUMBER"),
    "iban": ("IbanRecognizer", "IBAN_CODE"),
    "card": ("CreditCardRecognizer", "CREDIT_CARD"),
    "ip": ("IpRecognizer", "IP_ADDRESS"),
    "mac": ("MacAddressRecognizer", "MAC_ADDRESS"),
    "wallet": ("CryptoRecognizer", "CRYPTO"),
    "us_ssn": ("UsSsnRecognizer", "US_SSN"),
    "gb_nhs": ("NhsRecognizer", "UK_NHS"),
    "es_dni": ("EsNifRecognizer", "ES_NIF"),
    "it_codice_fiscale": ("ItFiscalCodeRecognizer", "IT_FISCAL_CODE"),
    "pl_pesel": ("PlPeselRecognizer", "PL_PESEL"),
    "sg_nric": ("SgFinRecognizer", "SG_NRIC_FIN"),
    "in_pan": ("InPanRecognizer", "IN_PAN"),
    "au_tfn": ("AuTfnRecognizer", "AU_TFN"),
}
# Below this a recogniser itself calls a match weak; its context words, which would raise it, need a language model.
LEAST = 0.3


def presidio(texts):
    found, seconds, counts = [[] for _ in texts], 0.0, {}
    for name, (recogniser, entity) in RECOGNISERS.items():
        make = getattr(known, recogniser, None)
        if make is None:
            continue
        one = make()
        counts[name] = [0, 0, 0]
        start = time.perf_counter()
        results = [one.analyze(text["text"], [entity], None) or [] for text in texts]
        seconds += time.perf_counter() - start
        for text, result in zip(texts, results):
            # The labels count bytes.
            spans = [(len(text["text"][:hit.start].encode()), len(text["text"][:hit.end].encode())) for hit in result if hit.score >= LEAST]
            tally(counts[name], [value for value in text["values"] if value[0] == name], spans)
    return counts, seconds


def tally(count, values, spans):
    for _, start, end in values:
        hit = any(low < end and start < high for low, high in spans)
        count[0 if hit else 2] += 1
    for low, high in spans:
        if not any(low < end and start < high for _, start, end in values):
            count[1] += 1


def secrets(texts):
    """detect-secrets works on lines of files; a finding is right where its line holds a secret."""
    lines = []
    for text in texts:
        at = 0
        for line in text["text"].split("\n"):
            end = at + len(line.encode())
            lines.append((line, any(value[0] == "secret" and value[1] < end and at < value[2] for value in text["values"])))
            at = end + 1
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write("\n".join(line for line, _ in lines))
    start = time.perf_counter()
    collection = SecretsCollection()
    with default_settings():
        collection.scan_file(file.name)
    seconds = time.perf_counter() - start
    size = os.path.getsize(file.name)
    os.unlink(file.name)
    hit = {secret.line_number for _, secret in collection}
    count = [0, 0, 0]
    for at, (_, real) in enumerate(lines, 1):
        if real:
            count[0 if at in hit else 2] += 1
        elif at in hit:
            count[1] += 1
    return count, seconds, size


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    types, presidio_s = presidio(texts)
    # A part is enough for a rate, and for shares.
    count, detect_s, size = secrets(texts)
    print(json.dumps({
        "types": types, "presidio_s": presidio_s, "presidio_bytes": sum(len(text["text"].encode()) for text in texts),
        "secrets": count, "detect_secrets_s": detect_s, "detect_secrets_bytes": size,
    }))


main()
