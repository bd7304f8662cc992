<?php

/**
 * Makes what is kept in jwe-php.json, with PHP's JOSE libraries, which Debian does not have:
 *
 *     composer require web-token/jwt-library spomky-labs/aes-key-wrap kelvinmo/simplejwt
 *     php jwe-php.php vendor/autoload.php simplejwt < orders.json
 *
 * An order is {key, alg, enc, place, value}, with a public JWK. For each the compact form, or null where the library cannot.
 */

declare(strict_types=1);

use Jose\Component\Core\{AlgorithmManager, JWK};
use Jose\Component\Encryption\Algorithm\ContentEncryption\{A128GCM, A256GCM};
use Jose\Component\Encryption\Algorithm\KeyEncryption\{ECDHES, ECDHESA256KW, RSAOAEP256};
use Jose\Component\Encryption\JWEBuilder;
use Jose\Component\Encryption\Serializer\CompactSerializer;
use SimpleJWT\JWE;
use SimpleJWT\Keys\{KeyFactory, KeySet};

[, $autoload, $library] = $argv;
require $autoload;

function withWebToken(array $key, array $header, string $value): string
{
    $builder = new JWEBuilder(new AlgorithmManager(
        [new ECDHES(), new ECDHESA256KW(), new RSAOAEP256(), new A128GCM(), new A256GCM()]
    ));
    $jwe = $builder->create()->withPayload($value)->withSharedProtectedHeader($header)->addRecipient(new JWK($key))->build();
    return (new CompactSerializer())->serialize($jwe, 0);
}

function withSimpleJwt(array $key, array $header, string $value): string
{
    $set = new KeySet();
    $set->add(KeyFactory::create($key, 'php'));
    return (new JWE($header, $value))->encrypt($set, $key['kid']);
}

$make = ['web-token' => withWebToken(...), 'simplejwt' => withSimpleJwt(...)][$library];
$made = [];
foreach (json_decode(stream_get_contents(STDIN), true) as $order) {
    ['key' => $key, 'alg' => $alg, 'enc' => $enc, 'place' => $place, 'value' => $value] = $order;
    $header = ['alg' => $alg, 'enc' => $enc, 'kid' => $key['kid'], 'clv' => $place, 'crit' => ['clv']];
    try {
        $made[] = $make($key, $header, $value);
    } catch (Throwable $error) {
        fwrite(STDERR, "{$alg} {$enc}: {$error->getMessage()}\n");
        $made[] = null;
    }
}
echo json_encode($made);
