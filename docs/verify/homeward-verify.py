#!/usr/bin/env python3
"""Verifies an export of Homeward's audit chain, or an evidence bundle, without Homeward.

    homeward-verify.py FILE [--public-key KEY] [--anchor FILE]

FILE is what `homeward audit export` wrote (JSON lines) or what `homeward evidence` wrote (ZIP). KEY is the public key of the agency,
64 hexadecimal digits or a file with them, from a place that you trust; without it the keys in FILE are used, which shows that FILE is
whole but not who made it. Exit status 0: nothing was changed, removed or inserted; 1: something was, and is named; 2: FILE cannot be read.

Needs Python 3.8 and nothing else. The format is described in docs/evidence.md.
"""
import argparse
import hashlib
import json
import sys
import zipfile
import zlib

# Ed25519 as in RFC 8032, section 5.1, verification only.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def add(a, b):
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e = (y1 - x1) * (y2 - x2) % P
    f = (y1 + x1) * (y2 + x2) % P
    g = 2 * t1 * t2 * D % P
    h = 2 * z1 * z2 % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P


def times(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point_of(data):
    if len(data) != 32:
        return None
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else (0, y, 1, 0)
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - x2) % P:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def verifies(public, message, signature):
    a, r = point_of(public), point_of(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    return same(times(s, BASE), add(r, times(h, a)))


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def netstring(text):
    if text is None:
        return b"-,"
    data = text.encode()
    return str(len(data)).encode() + b":" + data + b","


def entry_hash(entry):
    fields = ["homeward-audit-1", str(entry["entry_id"]), str(entry["at_us"])]
    fields += [entry[name] for name in ("actor_kind", "actor", "actor_role", "act", "table", "key", "changed")]
    fields += [entry["old_digest"], entry["new_digest"], entry["detail"]]
    return sha(bytes.fromhex(entry["previous_hash"]), *map(netstring, fields))


def key_id(public):
    return sha(public).hex()[:16]


def root_message(root):
    lines = ["homeward-root-1", root["first_id"], root["through_id"], root["hash"], root["tree"], root["at_us"], root["key_id"]]
    return "".join("%s\n" % line for line in lines).encode()


def leaf(data):
    return sha(b"\x00", data)


def node(left, right):
    return sha(b"\x01", left, right)


class Tree:
    """A Merkle tree as in RFC 6962, leaf by leaf."""

    def __init__(self):
        self.full = []

    def push(self, data):
        size, value = 1, leaf(data)
        while self.full and self.full[-1][0] == size:
            value = node(self.full.pop()[1], value)
            size *= 2
        self.full.append((size, value))

    def root(self):
        value = self.full[-1][1]
        for _, left in reversed(self.full[:-1]):
            value = node(left, value)
        return value


def read_json(data, what):
    """JSON of bytes or a text; what is none is said in one line."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("%s is nested too deep" % what) from None
    except UnicodeDecodeError:
        raise ValueError("%s is not UTF-8" % what) from None
    except ValueError as error:
        raise ValueError("%s is no JSON: %s" % (what, error)) from None


class Verifier:
    def __init__(self, trusted):
        self.trusted = trusted
        self.faults = []

    def fault(self, text):
        self.faults.append(text)

    def root(self, root, where):
        public = bytes.fromhex(root["public_key"])
        signature = bytes.fromhex(root["signature"])
        if key_id(public) != root["key_id"] or not verifies(public, root_message(root), signature):
            self.fault("%s: the signature of the root through entry %d is not of it" % (where, root["through_id"]))
        elif self.trusted is not None and public != self.trusted:
            self.fault("%s: the root through entry %d is signed with another key than the one trusted" % (where, root["through_id"]))

    def export(self, lines, anchors):
        first = read_json(next(lines, ""), "the first line")
        header = first.get("export") if isinstance(first, dict) else None
        if not isinstance(header, dict):
            raise ValueError("this is no export of the audit chain and no bundle")
        roots, entries, previous, through, broken, count = [], None, "00" * 32, 0, False, 0
        pending, tree, rooted = None, Tree(), 0
        open_since, newest = None, 0
        for at, line in enumerate(lines, 2):
            if not line.strip():
                continue
            value = read_json(line, "line %d" % at)
            if not isinstance(value, dict):
                raise ValueError("line %d is neither a root nor an entry" % at)
            if "root" in value:
                if entries is not None:
                    raise ValueError("an export has its roots before its entries")
                root = value["root"]
                self.root(root, "export")
                if root["first_id"] != through + 1:
                    self.fault("root through entry %d does not begin where the root before it ended" % root["through_id"])
                through = root["through_id"]
                roots.append(root)
                continue
            if entries is None:
                entries, pending = 0, iter(roots)
                wanted = next(pending, None)
            entry = value["entry"]
            number = entry["entry_id"]
            if number != entries + 1:
                self.fault("entries %d to %d were removed" % (entries + 1, number - 1))
                broken = True
            sound = entry_hash(entry).hex() == entry["hash"]
            if not sound:
                self.fault("entry %d was changed: its hash is not of its content" % number)
            elif entry["previous_hash"] != previous and not broken:
                self.fault("entry %d was changed: the next one was chained to another" % (number - 1))
            broken, previous, entries, count = not sound, entry["hash"], number, count + 1
            for anchor in anchors:
                if anchor["through_id"] == number:
                    anchor["met"] = True
                    if anchor["hash"] != entry["hash"]:
                        self.fault("entry %d: the chain is not that of the anchored root" % number)
            if wanted is not None and number >= wanted["first_id"]:
                tree.push(bytes.fromhex(entry["hash"]))
            if wanted is not None and number >= wanted["through_id"]:
                if wanted["hash"] != entry["hash"] or tree.root().hex() != wanted["tree"]:
                    self.fault("entries %d to %d are not those that were signed" % (wanted["first_id"], wanted["through_id"]))
                rooted, tree, wanted = wanted["through_id"], Tree(), next(pending, None)
            newest = max(newest, entry["at_us"])
            if number <= rooted:
                open_since = None
            elif open_since is None:
                open_since = (number, entry["at_us"])
        # Roots are signed every few minutes: who makes a chain anew must not simply leave the signatures away.
        if self.trusted is not None and open_since is not None and newest - open_since[1] > 3600 * 1000000:
            self.fault("entry %d and those after it, over an hour of them, are under no signature of the trusted key" % open_since[0])
        if not count:
            self.fault("there is no audit chain in it")
        if (entries or 0) != header["entries"] or previous != header["hash"]:
            self.fault("the chain ends at entry %d, it ended at %d" % (entries or 0, header["entries"]))
        for root in roots:
            if root["through_id"] > (entries or 0):
                self.fault("entry %d was removed: a root was signed over it" % root["through_id"])
        for anchor in anchors:
            self.root(anchor, "anchor file")
            if not anchor.get("met"):
                self.fault("entry %d was removed: an anchored root was signed over it" % anchor["through_id"])
        print("%d entries, %d signed roots, the newest %d entries not under a root" % (count, len(roots), (entries or 0) - rooted))

    def layout(self, file, archive):
        """Readers of ZIP begin at the front or at the end: both must find the same, and nothing else is in the file."""
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(size - 22, 0))
        end = file.read(22)
        if end[:4] != b"PK\x05\x06" or archive.comment or end[20:] != b"\0\0":
            self.fault("the archive does not end with its directory: bytes were inserted behind it")
            return
        disks, count, length, begin = end[4:8], end[8:12], int.from_bytes(end[12:16], "little"), int.from_bytes(end[16:20], "little")
        if disks != bytes(4) or count != len(infos).to_bytes(2, "little") * 2 or begin + length + 22 != size:
            self.fault("the archive does not begin with its first file: bytes were inserted before it")
            return
        at = listed = 0
        for info in infos:
            file.seek(at)
            head = file.read(30)
            name = file.read(int.from_bytes(head[26:28], "little"))
            extra = int.from_bytes(head[28:30], "little")
            numbers = tuple(int.from_bytes(head[place:place + 4], "little") for place in (14, 18, 22))
            said = (info.CRC, info.compress_size, info.file_size)
            listed += 46 + len(name) + len(info.extra) + len(info.comment)
            if info.header_offset != at or head[:4] != b"PK\x03\x04" or extra or info.extra or info.comment:
                self.fault("the archive has other bytes than its files: before %s" % info.filename)
            elif name != info.orig_filename.encode() or numbers != said or info.compress_type or head[8:10] != b"\0\0":
                self.fault("the archive was changed: %s is not as its directory says" % info.filename)
            at += 30 + len(name) + extra + info.compress_size
        if at != begin or listed != length:
            self.fault("the archive has other bytes than its files: before its end")

    def bundle(self, archive):
        names = archive.namelist()
        if len(set(names)) != len(names):
            self.fault("a file is in the archive twice")
        content = {}
        for name in names:
            try:
                content[name] = archive.read(name)
            except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as error:
                self.fault("%s was changed: %s" % (name, error))
        manifest_bytes = content.get("manifest.json")
        if manifest_bytes is None:
            self.fault("manifest.json was removed")
            return
        try:
            manifest = read_json(manifest_bytes, "it")
            public = bytes.fromhex(manifest["public_key"]) if manifest["public_key"] else None
            listed = {item["name"]: item for item in manifest["files"]}
        except (ValueError, KeyError, TypeError) as error:
            self.fault("manifest.json was changed: %s" % error)
            return
        if public is None:
            self.fault("the bundle is not signed")
        else:
            try:
                signature = bytes.fromhex(content.get("manifest.sig", b"").decode().strip())
            except ValueError:
                signature = b""
            if not verifies(public, b"homeward-evidence-1\n" + manifest_bytes, signature):
                self.fault("manifest.json or manifest.sig was changed: the signature is not of it")
            elif self.trusted is not None and public != self.trusted:
                self.fault("the bundle is signed with another key than the one trusted")
        for name, item in sorted(listed.items()):
            if name not in content:
                if name in names:
                    continue
                self.fault("%s was removed" % name)
            elif hashlib.sha256(content[name]).hexdigest() != item["sha256"] or len(content[name]) != item["bytes"]:
                self.fault("%s was changed" % name)
        for name in names:
            if name not in listed and name not in ("manifest.json", "manifest.sig"):
                self.fault("%s was inserted" % name)
        if self.faults:
            return
        audit = read_json(content["audit.json"], "audit.json")
        roots = {root["through_id"]: root for root in audit["roots"]}
        for root in audit["roots"]:
            self.root(root, "audit.json")
        proved = unsigned = 0
        for row in audit["rows"]:
            where = "%s %s" % (row["table"], row["key"])
            for proof in row["entries"]:
                entry = proof["entry"]
                if entry_hash(entry).hex() != entry["hash"] or (entry["table"], entry["key"]) != (row["table"], row["key"]):
                    self.fault("%s: entry %d is not what was chained" % (where, entry["entry_id"]))
                    continue
                if proof["root"] is None:
                    unsigned += 1
                    continue
                value = leaf(bytes.fromhex(entry["hash"]))
                for side, sibling in proof["path"]:
                    sibling = bytes.fromhex(sibling)
                    value = node(sibling, value) if side == "left" else node(value, sibling)
                root = roots.get(proof["root"])
                if root is None or value.hex() != root["tree"]:
                    self.fault("%s: entry %d is not under a signed root" % (where, entry["entry_id"]))
                else:
                    proved += 1
            if row["content"] is not None:
                digest = sha(bytes.fromhex(row["salt"]), row["content"].encode()).hex()
                if not row["entries"] or digest != row["entries"][-1]["entry"]["new_digest"]:
                    self.fault("%s: the row is not what was put on record" % where)
        print("%d files, %d rows of record, %d entries under %d signed roots, %d entries not signed yet" % (
            len(listed), len(audit["rows"]), proved, len(roots), unsigned))


def public_key(text):
    for candidate in (text, None):
        if candidate is None:
            with open(text, encoding="utf-8") as file:
                candidate = file.read()
        try:
            key = bytes.fromhex(candidate.split()[-1])
        except (ValueError, IndexError):
            continue
        if len(key) == 32:
            return key
    raise ValueError("%r is no public key of 64 hexadecimal digits" % text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--public-key", metavar="KEY")
    parser.add_argument("--anchor", metavar="FILE")
    arguments = parser.parse_args()
    try:
        trusted = public_key(arguments.public_key) if arguments.public_key else None
        verifier = Verifier(trusted)
        with open(arguments.file, "rb") as file:
            begins_as_zip = file.read(2) == b"PK"
        if zipfile.is_zipfile(arguments.file):
            with open(arguments.file, "rb") as file, zipfile.ZipFile(file) as archive:
                verifier.layout(file, archive)
                verifier.bundle(archive)
        elif begins_as_zip:
            raise ValueError("the bundle is not whole: its end is missing")
        else:
            anchors = []
            if arguments.anchor:
                with open(arguments.anchor, encoding="utf-8") as file:
                    anchors = [read_json(line, "the anchor file") for line in file if line.strip()]
            with open(arguments.file, encoding="utf-8") as file:
                verifier.export(file, anchors)
    except UnicodeDecodeError:
        print("%s cannot be read: it is not UTF-8" % arguments.file, file=sys.stderr)
        return 2
    except KeyError as error:
        print("%s cannot be read: %s is missing in it" % (arguments.file, error), file=sys.stderr)
        return 2
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError, zipfile.BadZipFile) as error:
        print("%s cannot be read: %s" % (arguments.file, str(error) or type(error).__name__), file=sys.stderr)
        return 2
    for fault in verifier.faults:
        print(fault)
    if trusted is None:
        print("note: no --public-key given: this does not show who made the file")
    print("nothing was changed, removed or inserted" if not verifier.faults else "%d faults" % len(verifier.faults))
    return 1 if verifier.faults else 0


if __name__ == "__main__":
    sys.exit(main())
