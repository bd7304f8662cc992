/** Programs and libraries of Debian that make JWE, and how each is asked for some: one process for all of them, where it can be. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { EncryptionJwk } from '../../protocol/envelope/jwk.ts'
import { debianVersion, npmVersion, versionOf } from '../support/compatibility.ts'
import { ask, missing } from '../support/programs.ts'

/** A JWE to make. */
export interface Order {
  /** As the device's set has it; without `alg` where another one is ordered. */
  key: Omit<EncryptionJwk, 'alg'> & { alg?: string }
  alg: string
  enc: string
  /** What goes into the protected header as `clv`, critical. */
  place: { field: string; record: string }
  value: string
}

/** The JWE, or what the program said instead. */
export type Made = string | { error: string }

export interface Maker {
  /** As its users call it. */
  program: string
  /** Why it is not asked here. */
  missing: string | false
  version(): string
  /** Whether it puts members into the protected header that it does not know. */
  setsPlace: boolean
  make(orders: readonly Order[]): Made[] | Promise<Made[]>
  /** What it is not for. */
  leavesOut?(order: Order): boolean
  /** What it cannot, and how that is seen: it makes none, or one that is no JWE. The first that fits counts. */
  cannot: readonly { what: string; why: string; seen: 'none' | 'malformed'; order(order: Order): boolean }[]
  /** What it gets wrong now and then, and one that it made so. */
  unsteady?: { what: string; why: string; order(order: Order): boolean; example: string }
}

/** Debian's, where the first on the PATH lacks the packages. */
const PYTHON = process.env.CLAVIGER_PYTHON ?? 'python3'
const HEADER = `{"alg": row["alg"], "enc": row["enc"], "kid": row["key"]["kid"], "clv": row["place"], "crit": ["clv"]}`

/** A library of Python: an import, and an expression over `row` and `header` that is the JWE. */
function python(imports: string, made: string): Maker['make'] {
  const script = `
import json, sys
${imports}
def make(row):
    header = ${HEADER}
    try:
        return ${made}
    except Exception as error:
        return {"error": repr(error)}
json.dump([make(row) for row in json.load(sys.stdin)], sys.stdout)`
  return orders => ask<Made[]>(PYTHON, ['-c', script], orders)
}
const pythonVersion = (module: string) =>
  versionOf(PYTHON, '-c', `import ${module}; print(${module}.__version__)`)

const PERL = `
use strict; use JSON::PP; use Encode (); use Crypt::JWT qw(encode_jwt);
my $orders = decode_json(do { local $/; <STDIN> });
my @made = map {
  my $row = $_;
  my %header = (kid => $row->{key}{kid}, clv => $row->{place}, crit => ['clv']);
  my $jwe = eval { encode_jwt(payload => Encode::encode('UTF-8', $row->{value}), key => $row->{key},
    alg => $row->{alg}, enc => $row->{enc}, extra_headers => \\%header) };
  defined $jwe ? $jwe : { error => "$@" };
} @$orders;
print encode_json(\\@made);`

const SEAL_JWE = fileURLToPath(new URL('../../docs/examples/jwe/seal_jwe.php', import.meta.url))

/** Runs a program for each order, with the key in a file. */
function each(
  run: (order: Order, keyFile: string) => [command: string, args: string[], input: string],
): Maker['make'] {
  return orders => {
    const directory = mkdtempSync(join(tmpdir(), 'claviger-jwe-'))
    const keyFile = join(directory, 'key.json')
    try {
      return orders.map(order => {
        writeFileSync(keyFile, JSON.stringify({ keys: [order.key] }))
        const [command, args, input] = run(order, keyFile)
        const { status, stdout, stderr } = spawnSync(command, args, { input, encoding: 'utf8' })
        return status === 0 && stdout ? stdout.trim() : { error: `${stderr}` }
      })
    } finally {
      rmSync(directory, { recursive: true })
    }
  }
}

/** Of a package of Debian, without Debian's own part. */
function upstreamVersion(name: string): string {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', `\${source:Upstream-Version}`, name], {
    encoding: 'utf8',
  })
  return `${stdout}`
}

const isEcdh = ({ alg }: Order) => alg.startsWith('ECDH-ES')
const isX25519 = ({ key }: Order) => key.kty === 'OKP'

export const MAKERS: readonly Maker[] = [
  {
    program: 'npm jose',
    missing: false,
    version: () => npmVersion('jose'),
    setsPlace: true,
    async make(orders) {
      const jose = await import('jose')
      return Promise.all(
        orders.map(async ({ key, alg, enc, place, value }) =>
          new jose.CompactEncrypt(new TextEncoder().encode(value))
            .setProtectedHeader({ alg, enc, kid: key.kid, clv: place, crit: ['clv'] })
            .encrypt(await jose.importJWK(key as never, alg), { crit: { clv: true } }),
        ),
      )
    },
    cannot: [],
  },
  {
    program: 'Python jwcrypto',
    missing: missing(PYTHON, '-c', 'import jwcrypto'),
    version: () => debianVersion('python3-jwcrypto'),
    setsPlace: true,
    make: python(
      'from jwcrypto import jwe, jwk',
      'jwe.JWE(row["value"].encode(), json.dumps(header), recipient=jwk.JWK(**row["key"])).serialize(compact=True)',
    ),
    cannot: [],
  },
  {
    program: 'Python Authlib',
    missing: missing(PYTHON, '-c', 'import authlib.jose'),
    version: () => pythonVersion('authlib'),
    setsPlace: true,
    make: python(
      'from authlib.jose import JsonWebEncryption, JsonWebKey',
      'JsonWebEncryption().serialize_compact(header, row["value"].encode(), JsonWebKey.import_key(row["key"])).decode()',
    ),
    cannot: [],
  },
  {
    program: 'Python python-jose',
    missing: missing(PYTHON, '-c', 'import jose.jwe'),
    version: () => pythonVersion('jose'),
    setsPlace: false,
    make: python(
      'from jose import jwe',
      'jwe.encrypt(row["value"].encode(), row["key"], row["enc"], row["alg"], kid=row["key"]["kid"]).decode()',
    ),
    cannot: [
      { what: 'ECDH-ES', why: 'it does not have it', seen: 'none', order: isEcdh },
      {
        what: 'AES-GCM',
        why: 'its nonce is 16 bytes, where RFC 7518 §5.3 has 12',
        seen: 'malformed',
        order: () => true,
      },
    ],
  },
  {
    program: 'Perl Crypt::JWT',
    missing: missing('perl', '-MCrypt::JWT', '-e', '1'),
    version: () => versionOf('perl', '-MCrypt::JWT', '-e', 'print $Crypt::JWT::VERSION'),
    setsPlace: true,
    make: orders => ask<Made[]>('perl', ['-e', PERL], orders),
    cannot: [
      {
        what: 'ECDH-ES on X25519 without +A256KW',
        why: 'it does not have it',
        seen: 'none',
        order: order => isX25519(order) && order.alg === 'ECDH-ES',
      },
      {
        what: 'ECDH-ES',
        why: 'its epk is text, where RFC 7518 §4.6.1.1 has an object',
        seen: 'malformed',
        order: isEcdh,
      },
    ],
  },
  {
    program: 'C jose',
    missing: missing('jose', 'alg'),
    // A number without a point, and the program does not tell.
    version: () => upstreamVersion('jose'),
    setsPlace: true,
    make: each(({ key, alg, enc, place, value }, keyFile) => {
      const template = { protected: { alg, enc, kid: key.kid, clv: place, crit: ['clv'] } }
      return ['jose', ['jwe', 'enc', '-i', JSON.stringify(template), '-I', '-', '-k', keyFile, '-c'], value]
    }),
    cannot: [
      { what: 'X25519', why: 'it does not have it', seen: 'none', order: isX25519 },
      { what: 'RSA-OAEP-256', why: 'it does not have it', seen: 'none', order: order => !isEcdh(order) },
    ],
  },
  {
    program: 'C rhonabwy',
    missing: missing('rnbyc', '--version'),
    version: () => versionOf('rnbyc', '--version'),
    setsPlace: false,
    make: each(({ alg, enc, value }, keyFile) => [
      'rnbyc',
      ['-s', value, '-P', keyFile, '-l', alg, '-e', enc],
      '',
    ]),
    cannot: [],
    unsteady: {
      what: 'ECDH-ES on P-256 each time',
      why: 'it leaves leading zeros out of coordinates and of the secret, so that about 1 of 85 does not open',
      order: order => isEcdh(order) && !isX25519(order),
      example:
        'eyJ0eXAiOiJKV1QiLCJhbGciOiJFQ0RILUVTIiwia2lkIjoiYSIsImVwayI6eyJrdHkiOiJFQyIsIngiOiJHVlZVQWVvRWVUaGsyXzgzbk1ub3NCQ21IOS1id0VxWFA3RTRvSTZCWlEiLCJ5IjoiMThkQ19weGFrVlZvdEZnWXVwMVk5ZURnSHJndm51TklHLTMzRmw4RTVzTSIsImNydiI6IlAtMjU2In0sImVuYyI6IkExMjhHQ00ifQ..Y65wPcuzCK4B0L5J.cGC-NhIdSA.uBX4JKVZ9nV6zBFDyov3hw',
    },
  },
  {
    program: 'PHP seal_jwe.php',
    missing: missing(
      'php',
      '-r',
      'require "phpseclib3/autoload.php"; exit((int) !extension_loaded("sodium"));',
    ),
    version: () => versionOf('php', '-r', 'echo PHP_VERSION;'),
    setsPlace: true,
    make: each(({ key, place, value }, keyFile) => [
      'php',
      [SEAL_JWE, keyFile, key.kid],
      JSON.stringify({ ...place, value }),
    ]),
    leavesOut: ({ alg, enc }) => alg === 'ECDH-ES+A256KW' || enc !== 'A256GCM',
    cannot: [],
  },
]
