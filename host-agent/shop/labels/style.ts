/** How a page of labels looks: on paper nothing but the text, at the places of the sheet. */
import { LINE_HEIGHT } from './fit.ts'
import type { Stock } from './stock.ts'

/** Less than the paper, so that no rounding makes a page of nothing behind each sheet. */
const SHORTER_MM = 0.3

export function styleOf({ width, height, label, white }: Stock): string {
  return `
@page { size: ${width}mm ${height}mm; margin: 0; }
@page order { size: ${width}mm ${height}mm; margin: 15mm 17mm; }
* { box-sizing: border-box; }
html { background: #fff; color: #000; }
body { margin: 0; font: 10pt/1.38 'Liberation Sans', Arial, Helvetica, 'Noto Sans CJK', 'Noto Sans', sans-serif; }
.sheet { position: relative; width: ${width}mm; height: ${height - SHORTER_MM}mm; break-inside: avoid; }
.sheet + .sheet, .order { break-before: page; }
.label { position: absolute; display: flex; flex-direction: column; justify-content: center; width: ${label.width}mm;
  height: ${label.height}mm; padding: ${white.y}mm ${white.x}mm; line-height: ${LINE_HEIGHT}; }
.label div { white-space: pre-wrap; overflow-wrap: anywhere; text-align: left; }
.label[dir='rtl'] div { text-align: right; }
.order { page: order; }
.order h1 { font-size: 15pt; margin: 0 0 4mm; border-bottom: 1pt solid #000; overflow-wrap: anywhere; }
.order address { font-style: normal; font-size: 11pt; margin-bottom: 6mm; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { text-align: left; vertical-align: top; padding: 1.5mm 3mm 1.5mm 0; border-bottom: 0.4pt solid #888; }
th { width: 45mm; }
td { white-space: pre-wrap; }
th, td { overflow-wrap: anywhere; }
.note { font-weight: bold; border: 1pt solid #000; padding: 3mm 5mm; margin: 5mm; max-width: 160mm; }
@media print { .note { display: none; } }
@media screen {
  html { background: #ddd; }
  .sheet, .order { background: #fff; width: ${width}mm; margin: 5mm; }
  .order { padding: 15mm 17mm; }
  .label { outline: 0.2mm dashed #aaa; }
  .note { background: #fff; }
}
`
}
