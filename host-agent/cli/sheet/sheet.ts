/** The recovery sheet: one printable page for the safe. It holds no secret; the passphrase is written into it by hand. */
import { deviceSerial } from '../../../protocol/identity/device-serial.ts'
import { escapeHtml, type Html, html } from '../../shop/labels/html.ts'
import { fingerprintGroups } from '../fingerprint.ts'
import { lights } from './lights.ts'
import { lostParts } from './lost-parts.ts'
import { STYLE } from './style.ts'

/** What is printed. All of it is public, but it says where the rest is. */
export interface SheetFacts {
  /** Name of the device, for people. */
  readonly device: string
  /** 32 bytes. */
  readonly pin: Uint8Array
  readonly namespace: string
  /** Name of the administrator's enrolment. */
  readonly administrator: string
  /** File of that enrolment. */
  readonly enrolment: string
  readonly addresses: readonly string[]
  /** Day, such as `2026-11-23`. */
  readonly date: string
  /** Verifier key of the audit log. */
  readonly logKey: string | undefined
  /** The first key, where one was made: its name, and the public half with which the shop's server seals. */
  readonly key: { readonly name: string; readonly publicKey: string } | null
}

/** The whole page. */
export function recoverySheet(facts: SheetFacts): string {
  const { device, namespace, administrator, date } = facts
  const { markup } = html`<body>
<header><h1>Recovery sheet: ${device}</h1><span>Claviger, ${date}</span></header>
<section>
<h2>The device</h2>
<table>
<tr><th>Name</th><td>${device}</td></tr>
<tr><th>Fingerprint</th><td>${fingerprint(facts)}</td></tr>
<tr><th>Namespace</th><td>${namespace}</td></tr>
<tr><th>Administrator</th><td>${administrator}</td></tr>
<tr><th>Address</th><td>${addresses(facts)}</td></tr>
${keyRows(facts)}
</table>
</section>
<section>
<h2>Keep in the safe</h2>
<p>1. <b>The passphrase</b>, written by hand. It is not printed, so that no printer and no file has it.</p>
<div class="box">Passphrase of the administrator ${administrator}
<div class="line"></div><div class="line"></div><div class="line"></div></div>
<p>2. <b>A copy of the administrator’s enrolment</b> on a USB stick. It is the file <code>${facts.enrolment}</code> on the machine
where this page was made, and holds the private key of the administrator. The device lets nobody in with the passphrase alone;
but who has the card as well reads the keys with it.</p>
<p>3. <b>This page.</b> It holds no secret until the passphrase is written on it.</p>
<div class="blanks"><span>kept at</span><span>by</span><span>copy of the enrolment checked on</span></div>
</section>
${lostParts(facts)}
${lights()}
<footer>Compare the fingerprint with what <code>claviger provision</code> printed. The first four groups are the serial number that
<code>claviger status</code> shows. Made on ${date}; correct it by
hand when names or addresses change.</footer>
</body>`
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Recovery sheet: ${escapeHtml(device)}</title>
<style>${STYLE}</style>
</head>
${markup}
</html>
`
}

function fingerprint({ pin }: SheetFacts): Html {
  const groups = fingerprintGroups(pin).map(group => html`<span>${group}</span>`)
  return html`<div class="digits">${groups}</div><div class="serial">serial number ${deviceSerial(pin)}</div>`
}

function addresses({ addresses: list }: SheetFacts): Html {
  return list.length === 0
    ? html`none yet`
    : html`${list.map((address, i) => html`${i === 0 ? '' : ', '}<code>${address}</code>`)}`
}

function keyRows({ key, logKey }: SheetFacts): Html[] {
  return [
    ...(key ? [html`<tr><th>Public key of ${key.name}</th><td class="key">${key.publicKey}</td></tr>`] : []),
    ...(logKey ? [html`<tr><th>Key of the log</th><td class="key">${logKey}</td></tr>`] : []),
  ]
}
