<?php

/**
 * Seals fields as JWE (RFC 7516) for a Claviger appliance: for a shop whose database or partners want the standard's form. Debian has no
 * PHP library that makes them, so this is all of it: PHP 8.1 with ext-openssl and ext-sodium, and phpseclib 3 where the key is RSA.
 * Who needs no JWE takes `claviger_seal.php`, which needs nothing else.
 *
 *     require 'seal_jwe.php';
 *     $seal = new \Claviger\Example\JweSeal(json_decode(file_get_contents('jwks.json'), true), 'orders@1');
 *     $jwe = $seal->field('card.number', 'cust_cards/42', '4111111111111111');
 *
 * `jwks.json` is what `GET /v1/keys/jwks.json` answers. The place is in the protected header, as `clv`, and critical: the appliance opens
 * the value for that field of that record and nowhere else.
 *
 * As a program: php seal_jwe.php jwks.json orders@1 < lines of {"field": …, "record": …, "value": …}
 */

declare(strict_types=1);

namespace Claviger\Example;

/** Seals values to one key of the set, with ECDH-ES or RSA-OAEP-256, and A256GCM. */
final class JweSeal
{
    /** Never to be stored, not even sealed (PCI DSS 3.3.1). */
    private const FORBIDDEN = '/\Acard\.(cvv2?|cvc2?|cid|cav2|pin|track[12]?)(\.|\z)/';
    /** SubjectPublicKeyInfo of a point on P-256, up to its coordinates (RFC 5480). */
    private const P256_PREFIX = '3059301306072a8648ce3d020106082a8648ce3d03010703420004';
    private const ENC = 'A256GCM';
    private const KEY_BYTES = 32;

    /** @var array<string, string> */
    private array $jwk;

    /**
     * @param array{keys: list<array<string, string>>} $keySet
     * @param string $kid key and version, such as `orders@1`
     */
    public function __construct(array $keySet, string $kid)
    {
        $found = array_filter($keySet['keys'] ?? [], fn (array $jwk): bool => ($jwk['kid'] ?? null) === $kid);
        $this->jwk = reset($found) ?: throw new \InvalidArgumentException("the set has no key {$kid}");
    }

    /**
     * @param string $field  class of the field, such as `card.number`
     * @param string $record your own name for the row, such as `cust_cards/42`
     * @param string $value  any bytes, at most 65,536
     * @return string compact form
     */
    public function field(string $field, string $record, string $value): string
    {
        if (preg_match(self::FORBIDDEN, $field) === 1) {
            throw new \InvalidArgumentException("fields of class {$field} must never be stored, not even sealed");
        }
        [$alg, $contentKey, $encryptedKey, $more] = match ($this->jwk['crv'] ?? $this->jwk['kty']) {
            'X25519' => $this->agree(...$this->withX25519()),
            'P-256' => $this->agree(...$this->withP256()),
            'RSA' => $this->wrapWithRsa(),
            default => throw new \InvalidArgumentException('the key is of a kind that this file does not know'),
        };
        $header = ['alg' => $alg, 'enc' => self::ENC, 'kid' => $this->jwk['kid'], 'crit' => ['clv']]
            + ['clv' => ['field' => $field, 'record' => $record]] + $more;
        $protected = self::encode(json_encode($header, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES));
        $nonce = random_bytes(12);
        $tag = '';
        // What is authenticated beside is the header as it is sent (RFC 7516 §5.1 step 14).
        $ciphertext = openssl_encrypt($value, 'aes-256-gcm', $contentKey, OPENSSL_RAW_DATA, $nonce, $tag, $protected);
        sodium_memzero($contentKey);
        if ($ciphertext === false) {
            throw new \RuntimeException('openssl cannot encrypt');
        }
        return implode('.', [$protected, ...array_map(self::encode(...), [$encryptedKey, $nonce, $ciphertext, $tag])]);
    }

    /**
     * ECDH-ES in direct agreement: the content key is the Concat KDF of the shared secret (RFC 7518 §4.6.2), one round of SHA-256.
     *
     * @param array<string, string> $epk
     * @return array{string, string, string, array<string, mixed>} `alg`, content key, encrypted key, members of the header
     */
    private function agree(string $secret, array $epk): array
    {
        // The algorithm after its length, no apu, no apv, bits of the key.
        $info = pack('N', strlen(self::ENC)) . self::ENC . pack('NNN', 0, 0, 8 * self::KEY_BYTES);
        $contentKey = hash('sha256', pack('N', 1) . $secret . $info, true);
        sodium_memzero($secret);
        return ['ECDH-ES', $contentKey, '', ['epk' => $epk]];
    }

    /** @return array{string, array<string, string>} shared secret, ephemeral public key (RFC 8037) */
    private function withX25519(): array
    {
        $own = random_bytes(SODIUM_CRYPTO_SCALARMULT_SCALARBYTES);
        $secret = sodium_crypto_scalarmult($own, self::decode($this->jwk['x']));
        $x = sodium_crypto_scalarmult_base($own);
        sodium_memzero($own);
        return [$secret, ['kty' => 'OKP', 'crv' => 'X25519', 'x' => self::encode($x)]];
    }

    /** @return array{string, array<string, string>} shared secret, ephemeral public key */
    private function withP256(): array
    {
        $der = hex2bin(self::P256_PREFIX) . self::decode($this->jwk['x']) . self::decode($this->jwk['y']);
        $theirs = openssl_pkey_get_public(
            "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64, "\n") . "-----END PUBLIC KEY-----\n"
        );
        $own = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
        $secret = $theirs && $own ? openssl_pkey_derive($theirs, $own) : false;
        if ($secret === false) {
            throw new \RuntimeException('the key is no point of P-256, or openssl cannot agree on a secret');
        }
        // PHP gives coordinates without their leading zeros.
        [$x, $y] = array_map(
            fn (string $name): string => self::encode(str_pad(openssl_pkey_get_details($own)['ec'][$name], 32, "\0", STR_PAD_LEFT)),
            ['x', 'y']
        );
        return [$secret, ['kty' => 'EC', 'crv' => 'P-256', 'x' => $x, 'y' => $y]];
    }

    /**
     * RSA-OAEP with SHA-256, which `openssl_public_encrypt` of Debian's PHP has only with SHA-1.
     *
     * @return array{string, string, string, array<string, mixed>} `alg`, content key, encrypted key, members of the header
     */
    private function wrapWithRsa(): array
    {
        require_once 'phpseclib3/autoload.php';
        [$n, $e] = array_map(
            fn (string $name) => new \phpseclib3\Math\BigInteger(self::decode($this->jwk[$name]), 256),
            ['n', 'e']
        );
        $contentKey = random_bytes(self::KEY_BYTES);
        $encryptedKey = \phpseclib3\Crypt\PublicKeyLoader::load(['n' => $n, 'e' => $e])
            ->withPadding(\phpseclib3\Crypt\RSA::ENCRYPTION_OAEP)
            ->withHash('sha256')
            ->withMGFHash('sha256')
            ->encrypt($contentKey);
        return ['RSA-OAEP-256', $contentKey, $encryptedKey, []];
    }

    private static function encode(string $bytes): string
    {
        return sodium_bin2base64($bytes, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
    }

    private static function decode(string $text): string
    {
        return sodium_base642bin($text, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
    }
}

if (PHP_SAPI === 'cli' && realpath($_SERVER['SCRIPT_FILENAME'] ?? '') === __FILE__) {
    if ($argc !== 3 || !is_readable($argv[1])) {
        fwrite(STDERR, "usage: php seal_jwe.php jwks.json <key@version>, with lines of {field, record, value}\n");
        exit(2);
    }
    try {
        $seal = new JweSeal(json_decode((string) file_get_contents($argv[1]), true, 8, JSON_THROW_ON_ERROR), $argv[2]);
        while (($line = fgets(STDIN)) !== false) {
            ['field' => $field, 'record' => $record, 'value' => $value] = json_decode($line, true, 8, JSON_THROW_ON_ERROR);
            echo $seal->field($field, $record, $value), "\n";
        }
    } catch (\Throwable $error) {
        fwrite(STDERR, "seal_jwe: {$error->getMessage()}\n");
        exit(1);
    }
}
