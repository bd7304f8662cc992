/** The part of the recovery sheet on the device's light: the table of docs/light-and-button.md, for somebody who stands before it. */
import { type Html, html } from '../../shop/labels/html.ts'

const LIGHTS: [light: string, says: Html][] = [
  ['steady', html`It works.`],
  ['a short flash every two seconds', html`Locked, as after every start: <code>claviger unlock</code>.`],
  ['mostly on, winks', html`A request waits for a press of the button.`],
  ['slow, as long on as off', html`Not provisioned. A device that was: is this its card?`],
  ['fast', html`Lockdown. Find out why before you lift it; that takes the passphrase.`],
  [
    'two short flashes and a pause',
    html`The keystore or the log cannot be read: <code>claviger status</code>.`,
  ],
  ['dark', html`No power, or the key process does not run.`],
]

/** Below what is lost. */
export function lights(): Html {
  const rows = LIGHTS.map(([light, says]) => html`<tr><th>${light}</th><td>${says}</td></tr>`)
  return html`<section>
<h2>What the light says</h2>
<p>It is the green one of the Pi. A red one beside it says only that there is power. Where it shows none of these,
<code>claviger status</code> tells.</p>
<table class="lights">
${rows}
</table>
</section>`
}
