/** The document of a frame: with the nonce by which it asks to be let in, or a sentence why there is none. */

/** Where `web/field.html` has room for the nonce. */
const ROOM = '<meta name="claviger-nonce" content="">'

/** @param nonce - base64url @throws where the document has no room for it: a mistake of ours */
export function frameDocument(text: string, nonce: string): string {
  if (!text.includes(ROOM)) throw new Error('field.html has no meta element for the nonce')
  return text.replace(ROOM, ROOM.replace('content=""', `content="${nonce}"`))
}

/** @param isListed - whether it only was not in a frame */
export function refusedFrame(from: string | null, isListed: boolean): string {
  const what = isListed
    ? 'This is shown in a page of the shop only.'
    : `The Claviger agent of this computer shows nothing in pages of ${escaped(from ?? 'nobody')}. Who uses this computer can allow it:
write the shop's origin into <code>settings.json</code>, as in <code>"page": { "shops": ["https://shop.example"] }</code>.`
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Claviger</title>
<p>${what}</p></html>
`
}

function escaped(text: string): string {
  return text.slice(0, 300).replace(/[&<>"']/g, character => `&#${character.codePointAt(0)};`)
}
