<?php

/** What every page of the shop begins with: configuration, headers, session, database, escaping. */

declare(strict_types=1);

namespace Shop;

function config(): array
{
    static $config = null;
    return $config ??= require __DIR__ . '/config.php';
}

/** Rules for the browser. Nothing runs but the shop's own files, and nothing is framed but the agent. */
function begin(): void
{
    $agent = config()['agent'];
    header("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        . "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; frame-src {$agent}");
    header('X-Content-Type-Options: nosniff');
    header('Referrer-Policy: same-origin');
    header('Cross-Origin-Opener-Policy: same-origin-allow-popups');
    header('Cache-Control: no-store');
    session_start([
        'cookie_httponly' => true,
        'cookie_samesite' => 'Strict',
        // the example is on HTTP of this very machine; a real shop is on HTTPS
        'cookie_secure' => ($_SERVER['HTTPS'] ?? '') !== '',
        'use_strict_mode' => true,
    ]);
    $_SESSION['csrf'] ??= bin2hex(random_bytes(32));
}

/** A text as HTML. Everything that is printed goes through here. */
function h(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
}

/** A field of the form that was sent, as one line of text; '' for what is missing or is a list. */
function sent(string $name, int $most = 120): string
{
    $value = $_POST[$name] ?? '';
    if (!is_string($value) || preg_match('//u', $value) !== 1) {
        return '';
    }
    return mb_cut(trim(preg_replace('/\s+/u', ' ', $value)), $most);
}

/** The first characters, without ext-mbstring. */
function mb_cut(string $text, int $most): string
{
    return preg_match('/\A.{0,' . $most . '}/us', $text, $found) === 1 ? $found[0] : '';
}

/** The hidden field that says a form is the shop's own. */
function csrf_field(): string
{
    return '<input type="hidden" name="csrf" value="' . h($_SESSION['csrf']) . '">';
}

/** Ends the request where a form came from elsewhere. */
function demand_csrf(): void
{
    $token = $_POST['csrf'] ?? '';
    if (!is_string($token) || !hash_equals($_SESSION['csrf'], $token)) {
        http_response_code(403);
        exit('This form is out of date. Go back, load the page again, and send it once more.');
    }
}

function database(): \PDO
{
    static $database = null;
    if ($database === null) {
        $database = new \PDO(config()['database'], null, null, [
            \PDO::ATTR_ERRMODE => \PDO::ERRMODE_EXCEPTION,
            \PDO::ATTR_DEFAULT_FETCH_MODE => \PDO::FETCH_ASSOC,
            \PDO::ATTR_EMULATE_PREPARES => false,
        ]);
        $database->exec(file_get_contents(__DIR__ . '/schema.sql'));
    }
    return $database;
}

function euros(int $cents): string
{
    return number_format($cents / 100, 2) . ' €';
}

function page_top(string $title, string $class = ''): void
{
    ?><!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title><?= h($title) ?> · Hill Tea</title>
<link rel="icon" href="/tea.svg" type="image/svg+xml">
<link rel="stylesheet" href="/shop.css">
<?php if ($class === 'staff') { ?>
<script type="module" src="/claviger-field.js"></script>
<?php } ?>
</head>
<body class="<?= h($class) ?>">
<header><a class="brand" href="/"><img src="/tea.svg" alt="" width="28" height="28"> Hill Tea</a></header>
<main>
    <?php
}

function page_end(): void
{
    echo "</main>\n</body>\n</html>\n";
}
