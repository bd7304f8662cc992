<?php

/** Fills the shop with made-up orders, to have something to look at: php seed.php 40 */

declare(strict_types=1);

namespace Shop;

require __DIR__ . '/orders.php';

const CARDS = ['4242424242424242', '5555555555554444', '4000056655665556', '378282246310005', '4111111111111111'];
const PEOPLE = [
    ['Ada Fernandez', 'Calle de Alcalá 45', '28014', 'Madrid', 'ES', '+34911234567'],
    ['Jörg Weiß', 'Gänsemarkt 36', '20354', 'Hamburg', 'DE', '+4940123456'],
    ['Anneke de Vries', 'Damrak 12', '1012 LG', 'Amsterdam', 'NL', '+31201234567'],
    ['Zoë O’Hara', '3 Bank Street', 'EC1A 1BB', 'London', 'GB', '+442079460018'],
    ['Élodie Brun', '8 rue des Lilas', '75019', 'Paris', 'FR', '+33142345678'],
];

$count = (int) ($argv[1] ?? 40);
for ($i = 0; $i < $count; $i++) {
    [$name, $street, $code, $town, $country, $phone] = PEOPLE[$i % count(PEOPLE)];
    $texts = [
        'name' => $name, 'street' => $street, 'postal_code' => $code, 'locality' => $town, 'country' => $country,
        'phone' => $phone, 'card' => CARDS[$i % count(CARDS)], 'expiry' => '12/' . date('y', strtotime('+2 years')),
    ];
    [$order, $wrong] = read_order(fn (string $key): string => $texts[$key]);
    if ($wrong !== []) {
        fwrite(STDERR, 'shop: ' . json_encode($wrong) . "\n");
        exit(1);
    }
    place_order($order);
}
echo "{$count} orders\n";
