<?php

/** What differs from shop to shop. Keep it outside of the folder that the web server shows, as it is here. */

declare(strict_types=1);

return [
    // What `claviger admin key show orders --public` prints. It only seals: a thief who reads this file opens nothing with it.
    'publicKey' => 'clvp1:x:default:orders:1:…',
    // host-agent/seal/claviger_seal.php of Claviger, copied beside this file.
    'sealer' => __DIR__ . '/claviger_seal.php',
    'database' => 'sqlite:' . __DIR__ . '/shop.db',
    // Where the agent of each member of the staff answers on their own computer; the port is in their settings.json.
    'agent' => 'http://127.0.0.1:7119',
    // For whom the fields are opened: the purpose must be granted to the operator (docs/who-may-see-what.md).
    'purposes' => ['card.number' => 'charge', 'address.rest' => 'ship', 'phone.number' => 'contact'],
    // What `php -r 'echo password_hash("…", PASSWORD_DEFAULT);'` prints for the password of the staff.
    'staff' => '',
];
