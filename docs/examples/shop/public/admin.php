<?php

/** The orders, for the staff. The server has tokens only; what is in them is shown by the agent of whoever looks. */

declare(strict_types=1);

namespace Shop;

require __DIR__ . '/../orders.php';

const NEWEST = 20;

begin();
$isWrong = false;
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    demand_csrf();
    if (isset($_POST['leave'])) {
        $_SESSION = [];
        session_regenerate_id(true);
        header('Location: /admin.php', true, 303);
        exit;
    }
    $isStaff = config()['staff'] !== '' && password_verify(sent('password', 200), config()['staff']);
    if ($isStaff) {
        session_regenerate_id(true);
        $_SESSION['isStaff'] = true;
        header('Location: /admin.php', true, 303);
        exit;
    }
    // whoever tries passwords waits; a real shop counts tries as well
    sleep(1);
    $isWrong = true;
}

/** A sealed field of an order. The agent opens it; the hint is made of what is readable. */
function sealed_field(array $order, string $field, string $column, string $hint): void
{
    echo '<claviger-field token="', h($order[$column]), '" context="', h("{$field} orders/{$order['id']}"), '" purpose="',
        h(config()['purposes'][$field]), '" hint="', h($hint), '" agent="', h(config()['agent']), "\"></claviger-field>\n";
}

page_top('Orders', 'staff');
if (!($_SESSION['isStaff'] ?? false)) { ?>
<form class="card narrow" method="post" action="/admin.php">
<h1>Staff</h1>
<?= csrf_field() ?>

<p class="field"><label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required<?= $isWrong ? ' aria-invalid="true" aria-describedby="wrong"' : '' ?>>
<?php if ($isWrong) { ?><span class="fault" id="wrong">That is not the password.</span><?php } ?></p>
<p><button>Sign in</button></p>
</form>
<?php
    page_end();
    exit;
}
$orders = list_orders(NEWEST);
?>
<div class="row"><h1>Orders</h1><form method="post" action="/admin.php"><?= csrf_field() ?><button class="quiet" name="leave" value="1">Sign out</button></form></div>
<?php if ($orders === []) { ?><p class="card">There is no order yet.</p><?php } ?>
<?php foreach ($orders as $order) { ?>
<article class="card order">
<h2>No. <?= h((string) $order['id']) ?> <small><?= h($order['item']) ?>, <?= h(euros((int) $order['cents'])) ?></small></h2>
<dl>
<div><dt>Card</dt><dd><?php sealed_field($order, 'card.number', 'card_number', "{$order['card_brand']} •••• {$order['card_last4']}"); ?></dd></div>
<div><dt>Valid until</dt><dd><?= h($order['card_expiry']) ?></dd></div>
<div><dt>Address</dt><dd><?php sealed_field($order, 'address.rest', 'address_rest', "{$order['postal_code']} {$order['country']}"); ?></dd></div>
<div><dt>Phone</dt><dd><?php sealed_field($order, 'phone.number', 'phone_number', 'sealed'); ?></dd></div>
</dl>
</article>
<?php }
page_end();
