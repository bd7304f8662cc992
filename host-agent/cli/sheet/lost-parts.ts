/** The part of the recovery sheet on what is lost: what still works, what to do, and where nothing helps. */
import { type Html, html } from '../../shop/labels/html.ts'
import type { SheetFacts } from './sheet.ts'

/** Said once, for all rows; the same as in the README. */
const NOT_HERE_YET = html`<p class="warning">There is no backup yet, and no recovery but the passphrase. Until those are here, do
not put customers’ data behind this device.</p>`

/** The second page. */
export function lostParts({ administrator }: SheetFacts): Html {
  return html`<section class="second">
<h2>When something is lost</h2>
${NOT_HERE_YET}
<table>
${row(
  'Stolen device',
  html`Its keys are on its card only, so what was sealed with them cannot be opened again. The thief can read the card, and needs the
    passphrase for the keys, or a workstation with its PIN. A machine enrolled as unattended, stolen with the device, needs
    no PIN. Make a new device with a new key, give the shop’s server the new public key, and ask customers anew.`,
)}
${row('Broken Pi', html`The card is the device. Put it into another Pi of the same model.`)}
${row(
  'Broken card',
  html`As with a stolen device, but without the thief: the keys are gone. There is no copy of them.`,
)}
${row(
  'A card that was out of your hands',
  html`On a Zero 2 W and a Pi 3 nothing checks what was changed on it. Compare it with the release
    (<code>claviger image verify</code>); what belongs to you on it cannot be compared. In doubt take it for known to others:
    new device, new key.`,
)}
${row(
  'Lost workstation',
  html`At once, from any machine: <code>claviger lockdown</code>. Then from the administrator’s:
    <code>claviger admin lockdown lift</code>, <code>claviger unlock</code>, <code>claviger admin agent revoke NAME</code>.
    <code>claviger admin audit tail</code> says what it opened. If somebody may have copied the device’s files before, also
    <code>claviger admin key rotate KEY</code>. Invite a new one.`,
)}
${row(
  'Lost administrator’s machine',
  html`Put the copy of the enrolment from the safe on another machine, as <code>${administrator}.json</code> in
    <code>~/.config/claviger</code>, readable by you only. Without a copy, and with no second administrator, nobody can invite,
    revoke, grant or lift a lockdown any more; workstations that are enrolled go on.`,
)}
${row(
  'Forgotten PIN',
  html`The administrator revokes that workstation and invites it again. Eight wrong PINs destroy the PIN, which comes to the same.
    No key is lost.`,
)}
${row(
  'Forgotten passphrase',
  html`It cannot be reset, and nobody can find it out. Workstations with a PIN still unlock the device and open what they
    were granted. A lockdown can then not be lifted, which is the end of the keys. While a PIN still works: make a second
    device, open every field that is needed, seal it with the new key, and retire this one.`,
)}
</table>
</section>`
}

function row(what: string, said: Html): Html {
  return html`<tr><th>${what}</th><td>${said}</td></tr>`
}
