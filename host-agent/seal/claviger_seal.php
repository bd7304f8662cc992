<?php

/**
 * Seals fields for a Claviger appliance: one file, PHP 7.4 or later, ext-sodium only.
 *
 *     require 'claviger_seal.php';
 *     $seal = new \Claviger\Seal('clvp1:x:default:orders:1:…');
 *     $token = $seal->field('card.number', 'cust_cards/42', '4111111111111111');
 *
 * The token opens only on the appliance, and only for that field of that record. Nothing here can open one.
 *
 * Format: HPKE base mode (RFC 9180 §6.1) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305; the context
 * is the HPKE info, the aad is empty. docs/formats/envelope.md of the project describes every byte.
 *
 * As a program: php claviger_seal.php <public key> < lines of {"field": …, "record": …, "value": …}
 */

declare(strict_types=1);

namespace Claviger;

/** Why something was not sealed; `getReason()` is `bad-context`, `bad-public-key`, `bad-value` or `forbidden-field`. */
final class SealException extends \InvalidArgumentException
{
    /** @var string */
    private $reason;

    public function __construct(string $reason, string $message)
    {
        parent::__construct($message);
        $this->reason = $reason;
    }

    public function getReason(): string
    {
        return $this->reason;
    }
}

/** Seals values to one public key. */
final class Seal
{
    /**
     * Card verification codes, PINs and track data: never to be stored, not even sealed (PCI DSS 3.3.1). Each stands for
     * itself and every class below it.
     */
    public const FORBIDDEN_FIELDS = [
        'card.cvv', 'card.cvv2', 'card.cvc', 'card.cvc2', 'card.cid', 'card.cav2',
        'card.pin', 'card.track', 'card.track1', 'card.track2',
    ];

    private const NAME = '/\A[a-z0-9][a-z0-9.-]{0,31}\z/';
    private const MAX_RECORD_BYTES = 255;
    private const MAX_VALUE_BYTES = 65536;
    private const VERSION_LABEL = 'HPKE-v1';
    /** DHKEM(X25519, HKDF-SHA256) is 0x0020, HKDF-SHA256 0x0001, ChaCha20-Poly1305 0x0003. */
    private const KEM_SUITE_ID = "KEM\x00\x20";
    private const HPKE_SUITE_ID = "HPKE\x00\x20\x00\x01\x00\x03";

    /** @var string */
    private $namespace;
    /** @var string */
    private $key;
    /** @var string */
    private $version;
    /** @var string 32 bytes */
    private $publicKey;

    /**
     * @param string $publicKey `clvp1:x:<namespace>:<key>:<version>:<base64url>`, as the appliance shows it
     * @throws SealException `bad-public-key`
     */
    public function __construct(string $publicKey)
    {
        $parts = explode(':', $publicKey);
        if (count($parts) !== 6 || $parts[0] !== 'clvp1') {
            throw new SealException('bad-public-key', 'the text is not a public key');
        }
        [, $suite, $namespace, $key, $version, $base64url] = $parts;
        if ($suite !== 'x') {
            throw new SealException('bad-public-key', 'this file seals for suite x only');
        }
        if (!self::isName($namespace) || !self::isName($key) || !self::isVersion($version)) {
            throw new SealException('bad-public-key', 'the text is not a public key');
        }
        $bytes = self::decode($base64url);
        if ($bytes === null || strlen($bytes) !== 32) {
            throw new SealException('bad-public-key', 'the public key is not 32 bytes of base64url');
        }
        $this->namespace = $namespace;
        $this->key = $key;
        $this->version = $version;
        $this->publicKey = $bytes;
    }

    /**
     * Seals text for a field of a record and returns the token.
     *
     * @param string $field  class of the field, such as `card.number`
     * @param string $record your own name for the row, such as `cust_cards/42`; '' binds to no row
     * @param string $value  UTF-8, at most 65,536 bytes
     * @throws SealException `bad-context`, `bad-value`, `bad-public-key`, `forbidden-field`
     */
    public function field(string $field, string $record, string $value): string
    {
        if (preg_match('//u', $value) !== 1) {
            throw new SealException('bad-value', 'the value is not utf-8');
        }
        return $this->bytes($field, $record, $value);
    }

    /** {@see field()} for a value that is any bytes. */
    public function bytes(string $field, string $record, string $value): string
    {
        $info = self::contextInfo($this->namespace, $this->key, $field, $record);
        if (self::isForbidden($field)) {
            throw new SealException(
                'forbidden-field',
                "fields of class {$field} must never be stored, not even sealed: use it for the authorisation, then forget it"
            );
        }
        if (strlen($value) > self::MAX_VALUE_BYTES) {
            throw new SealException('bad-value', 'the value is longer than ' . self::MAX_VALUE_BYTES . ' bytes');
        }
        [$enc, $ciphertext] = $this->hpkeSeal($info, $value);
        $body = sodium_bin2base64($enc . $ciphertext, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
        return "clv1.x.{$this->key}.{$this->version}.{$body}";
    }

    /**
     * The bytes that a context becomes: a label, then each part after its length as two bytes, high byte first.
     *
     * @throws SealException `bad-context`
     */
    public static function contextInfo(string $namespace, string $key, string $field, string $record): string
    {
        foreach (['namespace' => $namespace, 'key' => $key, 'field' => $field] as $title => $name) {
            if (!self::isName($name)) {
                throw new SealException(
                    'bad-context',
                    "the {$title} must be 1 to 32 of a-z, 0-9, dot and hyphen, and start with a letter or a digit"
                );
            }
        }
        if (strlen($record) > self::MAX_RECORD_BYTES) {
            throw new SealException('bad-context', 'the record is longer than ' . self::MAX_RECORD_BYTES . ' bytes');
        }
        if (preg_match('//u', $record) !== 1) {
            throw new SealException('bad-context', 'the record is not utf-8');
        }
        $info = 'claviger/field/v1';
        foreach ([$namespace, $key, $field, $record] as $part) {
            $info .= pack('n', strlen($part)) . $part;
        }
        return $info;
    }

    /**
     * RFC 9180 §6.1 in base mode with an empty aad.
     *
     * @return array{0: string, 1: string} encapsulated key and ciphertext
     */
    private function hpkeSeal(string $info, string $value): array
    {
        // Encap, §4.1. libsodium refuses a shared secret of zeros.
        $ephemeral = random_bytes(32);
        $enc = sodium_crypto_scalarmult_base($ephemeral);
        try {
            $dh = sodium_crypto_scalarmult($ephemeral, $this->publicKey);
        } catch (\SodiumException $exception) {
            throw new SealException('bad-public-key', 'the public key cannot be sealed to');
        } finally {
            sodium_memzero($ephemeral);
        }
        $prk = self::labeledExtract(self::KEM_SUITE_ID, '', 'eae_prk', $dh);
        $shared = self::labeledExpand(self::KEM_SUITE_ID, $prk, 'shared_secret', $enc . $this->publicKey, 32);

        // KeySchedule, §5.1, mode 0x00.
        $context = "\x00"
            . self::labeledExtract(self::HPKE_SUITE_ID, '', 'psk_id_hash', '')
            . self::labeledExtract(self::HPKE_SUITE_ID, '', 'info_hash', $info);
        $secret = self::labeledExtract(self::HPKE_SUITE_ID, $shared, 'secret', '');
        $key = self::labeledExpand(self::HPKE_SUITE_ID, $secret, 'key', $context, 32);
        $nonce = self::labeledExpand(self::HPKE_SUITE_ID, $secret, 'base_nonce', $context, 12);

        $ciphertext = sodium_crypto_aead_chacha20poly1305_ietf_encrypt($value, '', $nonce, $key);
        sodium_memzero($dh);
        sodium_memzero($prk);
        sodium_memzero($shared);
        sodium_memzero($secret);
        sodium_memzero($key);
        sodium_memzero($nonce);
        return [$enc, $ciphertext];
    }

    /** RFC 9180 §4; HMAC takes an empty salt for a key of zeros. */
    private static function labeledExtract(string $suiteId, string $salt, string $label, string $ikm): string
    {
        return hash_hmac('sha256', self::VERSION_LABEL . $suiteId . $label . $ikm, $salt, true);
    }

    /** RFC 9180 §4 for at most 32 bytes, which is one block of RFC 5869. */
    private static function labeledExpand(string $suiteId, string $prk, string $label, string $info, int $length): string
    {
        $labeled = pack('n', $length) . self::VERSION_LABEL . $suiteId . $label . $info;
        return substr(hash_hmac('sha256', $labeled . "\x01", $prk, true), 0, $length);
    }

    private static function isForbidden(string $field): bool
    {
        foreach (self::FORBIDDEN_FIELDS as $name) {
            if ($field === $name || strncmp($field, "{$name}.", strlen($name) + 1) === 0) {
                return true;
            }
        }
        return false;
    }

    private static function isName(string $text): bool
    {
        return preg_match(self::NAME, $text) === 1;
    }

    /** 1 to 2^31 - 1 without leading zeros; compared as text, which is safe on 32 bits too. */
    private static function isVersion(string $text): bool
    {
        return preg_match('/\A[1-9][0-9]{0,9}\z/', $text) === 1
            && (strlen($text) < 10 || strcmp($text, '2147483647') <= 0);
    }

    /** Canonical base64url without padding, or null. */
    private static function decode(string $text): ?string
    {
        try {
            $bytes = sodium_base642bin($text, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
        } catch (\SodiumException $exception) {
            return null;
        }
        return sodium_bin2base64($bytes, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING) === $text ? $bytes : null;
    }
}

/** The program: the first bad line ends it with exit code 1. */
function sealLines(array $arguments): int
{
    if (count($arguments) !== 2) {
        fwrite(STDERR, "claviger: usage: php claviger_seal.php <public key>, with lines of {field, record, value}\n");
        return 2;
    }
    $number = 0;
    try {
        $seal = new Seal($arguments[1]);
        while (($line = fgets(STDIN)) !== false) {
            $number++;
            $item = json_decode($line, true);
            foreach (['field', 'record', 'value'] as $name) {
                if (!is_array($item) || !is_string($item[$name] ?? null)) {
                    throw new SealException('bad-value', 'not a line of {field, record, value}');
                }
            }
            echo $seal->field($item['field'], $item['record'], $item['value']), "\n";
        }
    } catch (SealException $exception) {
        fwrite(STDERR, 'claviger: ' . ($number === 0 ? '' : "line {$number}: ") . $exception->getMessage() . "\n");
        return 1;
    }
    return 0;
}

if (PHP_SAPI === 'cli' && realpath($_SERVER['SCRIPT_FILENAME'] ?? '') === __FILE__) {
    exit(sealLines($argv));
}
