<?php

/** Orders: what of a form is wrong, and storing one with its card, address and phone sealed. */

declare(strict_types=1);

namespace Shop;

require_once __DIR__ . '/shop.php';
require_once config()['sealer'];

const ITEM = 'Spring leaf tea, 250 g';
const CENTS = 1850;
const COUNTRIES = [
    'NL' => 'Netherlands', 'BE' => 'Belgium', 'DE' => 'Germany', 'ES' => 'Spain', 'FR' => 'France', 'GB' => 'United Kingdom',
];
const BRANDS = ['visa' => '/\A4/', 'mastercard' => '/\A(5[1-5]|2[2-7])/', 'amex' => '/\A3[47]/'];

/**
 * Reads an order from texts as people type them.
 *
 * @param callable(string): string $sent
 * @return array{0: array<string, string>, 1: array<string, string>} values, and by name what is wrong with them
 */
function read_order(callable $sent): array
{
    $order = [];
    foreach (['name', 'street', 'postal_code', 'locality', 'country', 'phone', 'card', 'expiry'] as $name) {
        $order[$name] = $sent($name);
    }
    $order['card'] = preg_replace('/[ -]/', '', $order['card']);
    $order['phone'] = preg_replace('/[ ().\/-]/', '', $order['phone']);
    $wrong = [];
    foreach (['name', 'street', 'postal_code', 'locality'] as $name) {
        if ($order[$name] === '') {
            $wrong[$name] = 'Please fill this in.';
        }
    }
    if (!isset(COUNTRIES[$order['country']])) {
        $wrong['country'] = 'Please choose a country.';
    }
    // with the country, so that it can be sealed in the one way that everybody writes it: E.164
    if (preg_match('/\A\+[1-9][0-9]{6,14}\z/', $order['phone']) !== 1) {
        $wrong['phone'] = 'With the code of the country, such as +31 20 123 4567.';
    }
    if (preg_match('/\A[0-9]{13,19}\z/', $order['card']) !== 1 || !has_check_digit($order['card'])) {
        $wrong['card'] = 'This is not a card number.';
    }
    if (preg_match('~\A(0[1-9]|1[0-2]) ?/ ?(?:20)?([0-9]{2})\z~', $order['expiry'], $found) !== 1) {
        $wrong['expiry'] = 'Month and year, such as 09/29.';
    } elseif ("20{$found[2]}-{$found[1]}" < date('Y-m')) {
        $wrong['expiry'] = 'This card has expired.';
    } else {
        $order['expiry'] = "20{$found[2]}-{$found[1]}";
    }
    return [$order, $wrong];
}

/** ISO/IEC 7812-1, annex B. */
function has_check_digit(string $digits): bool
{
    $sum = 0;
    foreach (array_reverse(str_split($digits)) as $i => $digit) {
        $double = (int) $digit * ($i % 2 + 1);
        $sum += $double > 9 ? $double - 9 : $double;
    }
    return $sum % 10 === 0;
}

function brand_of(string $card): string
{
    foreach (BRANDS as $brand => $pattern) {
        if (preg_match($pattern, $card) === 1) {
            return $brand;
        }
    }
    return 'unknown';
}

/**
 * Stores an order. A token is bound to its row, so the row is made first to have its id; both happen in one transaction, and no plaintext
 * reaches the database in between.
 *
 * There is no verification code here: it must never be stored, not even sealed.
 *
 * @return int its number
 */
function place_order(array $order): int
{
    $seal = new \Claviger\Seal(config()['publicKey']);
    $database = database();
    $database->beginTransaction();
    try {
        $insert = $database->prepare("INSERT INTO orders
            (placed, item, cents, card_number, address_rest, phone_number, card_brand, card_last4, card_expiry, postal_code, country)
            VALUES (?, ?, ?, '', '', '', ?, ?, ?, ?, ?)");
        $insert->execute([
            gmdate('Y-m-d\TH:i:s\Z'), ITEM, CENTS,
            brand_of($order['card']), substr($order['card'], -4), $order['expiry'], $order['postal_code'], $order['country'],
        ]);
        $id = (int) $database->lastInsertId();
        $record = "orders/{$id}";
        // all of an address but its postal code and country is one field, so that a label costs one opening
        $rest = ['name' => $order['name'], 'street' => $order['street'], 'locality' => $order['locality']];
        $update = $database->prepare('UPDATE orders SET card_number = ?, address_rest = ?, phone_number = ? WHERE id = ?');
        $update->execute([
            $seal->field('card.number', $record, $order['card']),
            $seal->field('address.rest', $record, json_encode($rest, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR)),
            $seal->field('phone.number', $record, $order['phone']),
            $id,
        ]);
        $database->commit();
        return $id;
    } catch (\Throwable $error) {
        $database->rollBack();
        throw $error;
    }
}

/** The newest first, as they are stored. */
function list_orders(int $most): array
{
    $select = database()->prepare('SELECT * FROM orders ORDER BY id DESC LIMIT ?');
    $select->bindValue(1, $most, \PDO::PARAM_INT);
    $select->execute();
    return $select->fetchAll();
}
