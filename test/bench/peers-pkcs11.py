"""An application of PKCS#11: it loads a module into itself, logs in, and opens one block with RSA-OAEP again and again.

    python3 peers-pkcs11.py MODULE TOKEN PIN BLOCK VALUE

BLOCK is hexadecimal, VALUE what must come out. Each line on standard input is a number of ms to go on for; the answer is the ms that each
opening took, as JSON. Ends with its input.
"""

import ctypes
import json
import sys
import time
from ctypes import Structure, byref, c_ubyte, c_ulong, c_void_p, sizeof

CKU_USER, CKF_SERIAL_SESSION = 1, 4
CKA_CLASS, CKO_PRIVATE_KEY = 0, 3
CKM_RSA_PKCS_OAEP, CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED = 9, 0x220, 1, 1
# places in CK_FUNCTION_LIST
CALLS = {
    "C_Initialize": 0,
    "C_GetSlotList": 4,
    "C_GetTokenInfo": 6,
    "C_OpenSession": 12,
    "C_Login": 18,
    "C_FindObjectsInit": 26,
    "C_FindObjects": 27,
    "C_FindObjectsFinal": 28,
    "C_DecryptInit": 33,
    "C_Decrypt": 34,
}


class Attribute(Structure):
    _fields_ = [("type", c_ulong), ("value", c_void_p), ("length", c_ulong)]


class Mechanism(Structure):
    _fields_ = [("mechanism", c_ulong), ("parameter", c_void_p), ("length", c_ulong)]


class Oaep(Structure):
    _fields_ = [
        ("hash", c_ulong),
        ("mgf", c_ulong),
        ("source", c_ulong),
        ("label", c_void_p),
        ("label_length", c_ulong),
    ]


class Module:
    """A library by its function list."""

    def __init__(self, path):
        listed = c_void_p()
        self.library = ctypes.CDLL(path)
        self.library.C_GetFunctionList(byref(listed))
        # the version comes before the pointers
        places = (c_void_p * (max(CALLS.values()) + 2)).from_address(listed.value)
        self.functions = {
            name: ctypes.CFUNCTYPE(c_ulong)(places[place + 1]) for name, place in CALLS.items()
        }

    def call(self, name, *arguments):
        result = self.functions[name](*arguments)
        if result != 0:
            raise SystemExit(f"{name} was refused with {result:#x}")


def slot_of(module, token):
    slots, count = (c_ulong * 64)(), c_ulong(64)
    module.call("C_GetSlotList", c_ubyte(1), slots, byref(count))
    for slot in slots[: count.value]:
        # CK_TOKEN_INFO, which begins with the label
        info = (c_ubyte * 512)()
        module.call("C_GetTokenInfo", c_ulong(slot), info)
        if bytes(info[:32]).decode().rstrip() == token:
            return slot
    raise SystemExit(f"there is no token {token}")


def log_in(module, token, pin):
    """Returns the session and the only private key."""
    module.call("C_Initialize", None)
    session = c_ulong()
    slot = c_ulong(slot_of(module, token))
    module.call("C_OpenSession", slot, c_ulong(CKF_SERIAL_SESSION), None, None, byref(session))
    module.call("C_Login", session, c_ulong(CKU_USER), pin, c_ulong(len(pin)))
    wanted = c_ulong(CKO_PRIVATE_KEY)
    template = Attribute(CKA_CLASS, ctypes.cast(byref(wanted), c_void_p), sizeof(wanted))
    key, found = c_ulong(), c_ulong()
    module.call("C_FindObjectsInit", session, byref(template), c_ulong(1))
    module.call("C_FindObjects", session, byref(key), c_ulong(1), byref(found))
    module.call("C_FindObjectsFinal", session)
    if found.value != 1:
        raise SystemExit("there is no private key")
    return session, key


def main(path, token, pin, block, value):
    module = Module(path)
    session, key = log_in(module, token, pin.encode())
    oaep = Oaep(CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, None, 0)
    mechanism = Mechanism(CKM_RSA_PKCS_OAEP, ctypes.cast(byref(oaep), c_void_p), sizeof(oaep))
    sealed, wanted = bytes.fromhex(block), value.encode()
    opened, length = (c_ubyte * 512)(), c_ulong()

    def decrypt():
        length.value = sizeof(opened)
        module.call("C_DecryptInit", session, byref(mechanism), key)
        module.call("C_Decrypt", session, sealed, c_ulong(len(sealed)), opened, byref(length))
        if bytes(opened[: length.value]) != wanted:
            raise SystemExit("this is another value")

    decrypt()
    print("ready", flush=True)
    for line in sys.stdin:
        times, now = [], time.perf_counter()
        end = now + float(line) / 1000
        while now < end:
            start = now
            decrypt()
            now = time.perf_counter()
            times.append((now - start) * 1000)
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
