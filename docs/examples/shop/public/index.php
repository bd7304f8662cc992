<?php

/** The product, and the way to order it. */

declare(strict_types=1);

namespace Shop;

require __DIR__ . '/../orders.php';

begin();
$wrong = [];
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    demand_csrf();
    [$order, $wrong] = read_order(fn (string $name): string => sent($name));
    if ($wrong === []) {
        $_SESSION['placed'] = place_order($order);
        header('Location: /?thanks', true, 303);
        exit;
    }
    http_response_code(422);
}
$placed = isset($_GET['thanks']) ? ($_SESSION['placed'] ?? null) : null;

/** One line of the form, with what was typed. The card's number is never sent back to the browser. */
function field(string $name, string $label, string $complete, array $wrong, string $more = ''): void
{
    $value = $name === 'card' ? '' : sent($name);
    $fault = $wrong[$name] ?? null;
    echo '<p class="field"><label for="', h($name), '">', h($label), '</label>',
        '<input id="', h($name), '" name="', h($name), '" value="', h($value), '" autocomplete="', h($complete), '" required maxlength="120" ',
        $more, $fault === null ? '' : ' aria-invalid="true" aria-describedby="' . h($name) . '-fault"', '>',
        $fault === null ? '' : '<span class="fault" id="' . h($name) . '-fault">' . h($fault) . '</span>', "</p>\n";
}

page_top($placed === null ? ITEM : 'Thank you');
if ($placed !== null) { ?>
<section class="card">
<h1>Thank you</h1>
<p>Your order <strong>no. <?= h((string) $placed) ?></strong> is on its way. Your card, address and phone were sealed as you sent them:
this shop’s server cannot read them any more.</p>
<p><a class="button" href="/">Back to the shop</a></p>
</section>
<?php
    page_end();
    exit;
}
?>
<section class="product">
<img src="/tea.svg" alt="A cup of tea" width="220" height="220">
<div>
<h1><?= h(ITEM) ?></h1>
<p>First flush from the high garden, picked in April, dried the same night.</p>
<p class="price"><?= h(euros(CENTS)) ?></p>
</div>
</section>
<form class="card" method="post" action="/" novalidate>
<h2>Order it</h2>
<?php if ($wrong !== []) { ?><p class="fault" role="alert">Something is missing or wrong: look at the marked fields.</p><?php } ?>
<?= csrf_field() ?>

<fieldset><legend>Send it to</legend>
<?php
field('name', 'Name', 'shipping name', $wrong);
field('street', 'Street and number', 'shipping address-line1', $wrong);
field('postal_code', 'Postal code', 'shipping postal-code', $wrong);
field('locality', 'Town', 'shipping address-level2', $wrong);
?>
<p class="field"><label for="country">Country</label><select id="country" name="country" autocomplete="shipping country">
<?php foreach (COUNTRIES as $code => $name) { ?>
<option value="<?= h($code) ?>"<?= (sent('country') ?: 'NL') === $code ? ' selected' : '' ?>><?= h($name) ?></option>
<?php } ?>
</select></p>
<?php field('phone', 'Phone', 'tel', $wrong, 'type="tel" placeholder="+31 20 123 4567"'); ?>
</fieldset>
<fieldset><legend>Pay by card</legend>
<?php
field('card', 'Card number', 'cc-number', $wrong, 'inputmode="numeric"');
field('expiry', 'Valid until', 'cc-exp', $wrong, 'placeholder="MM/YY" inputmode="numeric"');
?>
</fieldset>
<p><button>Order for <?= h(euros(CENTS)) ?></button></p>
</form>
<?php
page_end();
