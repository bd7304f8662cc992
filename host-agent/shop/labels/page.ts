/** The page of labels: sheets that fit the stock, and behind them a packing list for each order. It runs no script and asks for nothing. */

import type { Fitted } from './fit.ts'
import { type Html, html } from './html.ts'
import { perSheet, placeOf, type Stock } from './stock.ts'
import { styleOf } from './style.ts'

/** All lines of a label begin on one side, those with numbers and the country too. */
const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]/u

/** One order on the page. */
export interface Order {
  /** Name of its record. */
  readonly record: string
  /** Two letters; Han looks different from country to country. */
  readonly country: string
  /** Lines of its address, whole. */
  readonly lines: readonly string[]
  /** The same as they are on the label. */
  readonly fitted: Fitted
  /** What its packing list says: column and text. */
  readonly packing: readonly (readonly [name: string, text: string])[]
}

export interface PageOptions {
  /** Positions of the first sheet that are used up. */
  readonly skip: number
  /** Whether there are packing lists. */
  readonly hasPacking: boolean
}

/** How many sheets so many labels take. */
export function sheetCount(stock: Stock, labels: number, skip: number): number {
  return Math.ceil((labels + skip) / perSheet(stock))
}

/** The whole page. */
export function labelPage(orders: readonly Order[], stock: Stock, { skip, hasPacking }: PageOptions): string {
  const sheets = Array.from({ length: sheetCount(stock, orders.length, skip) }, (_, sheet) => {
    const first = sheet * perSheet(stock) - skip
    const labels = orders
      .slice(Math.max(0, first), first + perSheet(stock))
      .map((order, i) => label(order, stock, Math.max(0, -first) + i))
    return html`<div class="sheet">
${labels}
</div>`
  })
  const { markup } = html`<body>
<p class="note">This file holds addresses in plaintext. Print it on ${stock.paper} at 100 % (“actual size”), without headers and
footers, then delete it.</p>
${sheets}
${hasPacking ? orders.map(packingList) : []}
</body>`
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Labels</title>
<style>${styleOf(stock)}</style>
</head>
${markup}
</html>
`
}

function label({ fitted: { size, lines }, country }: Order, stock: Stock, position: number): Html {
  const { left, top } = placeOf(stock, position)
  const style = `left: ${round(left)}mm; top: ${round(top)}mm; font-size: ${size}pt`
  const direction = lines.some(line => RIGHT_TO_LEFT.test(line)) ? 'rtl' : 'ltr'
  return html`<div class="label" dir="${direction}" lang="${languageOf(country)}" style="${style}">${lines.map(line => html`<div dir="auto">${line}</div>`)}</div>`
}

function packingList({ record, lines, country, packing }: Order): Html {
  const rows = packing.map(([name, text]) => html`<tr><th>${name}</th><td dir="auto">${text}</td></tr>`)
  return html`<section class="order">
<h1>${record}</h1>
<address lang="${languageOf(country)}">${lines.map(line => html`<div dir="auto">${line}</div>`)}</address>
<table>
${rows}
</table>
</section>`
}

/** Language in whose form Han characters are printed; `und` elsewhere. */
function languageOf(country: string): string {
  const languages: Record<string, string> = {
    ...{ JP: 'ja', KR: 'ko', CN: 'zh-Hans', SG: 'zh-Hans', TW: 'zh-Hant', HK: 'zh-Hant', MO: 'zh-Hant' },
  }
  return Object.hasOwn(languages, country) ? languages[country]! : 'und'
}

function round(mm: number): number {
  return Math.round(mm * 1000) / 1000
}
