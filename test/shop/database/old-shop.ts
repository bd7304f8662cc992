/**
 * A shop as many were written from 2005 on: PHP encrypts cards with RSA into one column, and shows the last four digits from another.
 * The bytes of the old rows, and the tokens of the new ones, are PHP's.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SEAL = fileURLToPath(new URL('../../../host-agent/seal/claviger_seal.php', import.meta.url))

export const TABLE = `CREATE TABLE cust_cards (
  ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, ID_Cust int NOT NULL, CardNum varchar(700), CardExp varchar(127),
  OwnerName varchar(80), Address varchar(200), Encrypted tinyint NOT NULL DEFAULT 0, CardSafe varchar(32), WhenEnc datetime
)`

/** What both scripts know of a card: its number ends in a check digit (ISO/IEC 7812-1, Annex B). */
const CARD = `
function number(int $id): string {
  $digits = '4' . sprintf('%014d', $id * 7919);
  $sum = 0;
  for ($i = 0; $i < 15; $i++) { $d = (int) $digits[$i] * ($i % 2 ? 1 : 2); $sum += $d > 9 ? $d - 9 : $d; }
  return $digits . (10 - $sum % 10) % 10;
}
function expiry(int $id): string { return sprintf('%02d/%d', $id % 12 + 1, 27 + $id % 5); }
function code(int $id): string { return (string) (100 + $id % 900); }`

/** Prints INSERT statements, one a line, of rows 1 to `$argv[2]`. */
const OLD_ROWS = `${CARD}
$key = openssl_pkey_get_public(file_get_contents($argv[1]));
$rows = [];
for ($id = 1; $id <= (int) $argv[2]; $id++) {
  $number = number($id);
  openssl_public_encrypt("\\t$number\\t" . code($id) . "\\t" . expiry($id), $crypted, $key) || exit(1);
  $rows[] = sprintf("(%d, '%s', 'Zo\\u{eb} O''Brien %d', '%d, \\u{7532}\\u{5dde} Road', 1, 'VISA **** %s', '2011-06-%02d 12:00:00')",
    $id % 4000 + 1, base64_encode($crypted), $id, $id, substr($number, -4), $id % 28 + 1);
  if (count($rows) < 200 && $id < (int) $argv[2]) continue;
  echo 'INSERT INTO cust_cards (ID_Cust, CardNum, OwnerName, Address, Encrypted, CardSafe, WhenEnc) VALUES ', implode(', ', $rows), "\\n";
  $rows = [];
}`

/** Prints UPDATE statements, one a line, of the rows `$argv[3]` to `$argv[4]`, as the shop stores a card of today. */
const NEW_CARDS = `require $argv[1]; ${CARD}
$seal = new \\Claviger\\Seal($argv[2]);
for ($id = (int) $argv[3]; $id <= (int) $argv[4]; $id++) {
  $token = $seal->field('card.number', "cust_cards/$id", number($id));
  $expiry = $seal->field('card.expiry', "cust_cards/$id", expiry($id));
  echo "UPDATE cust_cards SET CardNum = '$token', CardExp = '$expiry', CardSafe = 'VISA **** ", substr(number($id), -4), "' WHERE ID = $id\\n";
}`

/** Prints JSON of number, expiry and code of the cards 1 to `$argv[1]`. */
const CARDS = `${CARD}
echo json_encode(array_map(fn($id) => [number($id), expiry($id), code($id)], range(1, (int) $argv[1])));`

/** @returns why this PHP cannot be the shop's, `false` where it can */
export function whyNoPhp(): string | false {
  const has = 'exit(extension_loaded("openssl") && extension_loaded("sodium") ? 0 : 1);'
  return spawnSync('php', ['-r', has]).status === 0 ? false : 'php with openssl and sodium is not installed'
}

/** Statements of rows that were encrypted the old way. @param pem - file of the public key */
export function oldRows(pem: string, count: number): string[] {
  return php(OLD_ROWS, pem, String(count)).trim().split('\n')
}

/** Statements that give cards to rows that are there, sealed. */
export function newCards(publicKey: string, first: number, last: number): string[] {
  return php(NEW_CARDS, SEAL, publicKey, String(first), String(last)).trim().split('\n')
}

/** What the cards were, by the number of the row less one. */
export function cards(count: number): [number: string, expiry: string, code: string][] {
  return JSON.parse(php(CARDS, String(count))) as [string, string, string][]
}

function php(script: string, ...args: string[]): string {
  const options = { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, timeout: 60_000 } as const
  const { status, stdout, stderr } = spawnSync('php', ['-r', script, '--', ...args], options)
  if (status !== 0) throw new Error(`php: ${status} ${stdout.slice(0, 500)}${stderr}`)
  return stdout
}
