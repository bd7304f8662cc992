/** How the recovery sheet looks: black on white, on A4 and on Letter, with nothing that is loaded from elsewhere. */

export const STYLE = `
@page { margin: 14mm 16mm; }
* { box-sizing: border-box; }
html { background: #fff; color: #000; }
body { margin: 0 auto; max-width: 178mm; font: 10pt/1.38 'Liberation Sans', Arial, Helvetica, sans-serif; }
@media screen { body { padding: 10mm 0; } }
header { display: flex; justify-content: space-between; align-items: baseline; border-bottom: 1.5pt solid #000; }
h1 { font-size: 17pt; margin: 0 0 1.5mm; }
h2 { font-size: 11.5pt; margin: 5mm 0 1.5mm; break-after: avoid; }
p { margin: 0 0 1.5mm; }
ul { margin: 0 0 1.5mm; padding-left: 5mm; }
li { margin-bottom: 0.8mm; }
section { break-inside: avoid; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 1.1mm 3mm 1.1mm 0; border-bottom: 0.4pt solid #888; }
th { font-weight: bold; width: 38mm; }
tr { break-inside: avoid; }
code, .digits, .key { font-family: 'Liberation Mono', 'DejaVu Sans Mono', Consolas, monospace; }
code { font-size: 9pt; overflow-wrap: anywhere; }
.digits { display: grid; grid-template-columns: repeat(4, max-content); gap: 0.5mm 5mm; font-size: 12pt; }
.lights th { width: 60mm; }
.lights th, .lights td { padding: 0.5mm 3mm 0.5mm 0; }
.serial { margin-top: 1mm; }
.key { font-size: 8pt; line-height: 1.3; overflow-wrap: anywhere; }
.box { border: 1pt solid #000; padding: 2.5mm 4mm 4mm; margin-bottom: 3mm; break-inside: avoid; }
.line { border-bottom: 0.5pt solid #000; height: 10.5mm; }
.blanks { display: flex; gap: 5mm; margin-top: 3mm; }
.blanks span { flex: 1; border-bottom: 0.5pt solid #000; padding-top: 5mm; font-size: 8.5pt; }
.warning { border-left: 2.5pt solid #000; padding-left: 3mm; font-weight: bold; }
.second { break-before: page; }
footer { margin-top: 4mm; font-size: 8.5pt; }
`
