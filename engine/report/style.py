"""How a page looks, as one style sheet; colours come from the palettes.

In: nothing. Out: `STYLE`. A page is a newspaper, not a control room: paper and ink, one serif for headings, hairlines instead of
boxes, digits of one width. No rule stands in an attribute of an element, so that the page's policy can forbid those.
"""

from __future__ import annotations

from typing import Final

from .palette import DARK, LIGHT, themes


def _tones() -> str:
    """Fills of bands, regimes and heat cells, by number."""
    rules = []
    for i in range(1, len(LIGHT.regimes) + 1):
        rules += [f".regime-{i}{{fill:var(--regimes-{i})}}", f".plot .on-regime-{i}{{fill:var(--on-regime-{i})}}"]
    for i in range(1, len(DARK.bands) + 1):
        rules += [f".band-{i}{{fill:var(--bands-{i})}}", f".plot .on-band-{i}{{fill:var(--on-band-{i})}}"]
    rules += [f".{tone}-{i}{{background:var(--{tone}-{i})}}" for tone in ("gains", "losses") for i in range(1, 5)]
    return "\n".join(rules) + "\n"


_PAGE: Final = """
:root{--serif:"Iowan Old Style",Charter,"Source Serif 4",Georgia,"Liberation Serif",serif;
--sans:"Helvetica Neue","Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;
--mono:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-padding-top:1rem}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 var(--sans);font-variant-numeric:tabular-nums lining-nums}
.defs{position:absolute}
.sheet{max-width:76rem;margin:0 auto;padding:0 clamp(1rem,3.5vw,2.5rem) 4rem}
h1,h2,h3,p,dl,dd,ul,figure{margin:0}
ul{padding:0;list-style:none}
h1,h2,.lede{font-family:var(--serif);font-weight:600;letter-spacing:-.01em;text-wrap:balance}
h1{font-size:clamp(1.9rem,1.4rem + 2vw,2.9rem);line-height:1.1;overflow-wrap:anywhere}
h2{font-size:1.45rem;line-height:1.2}
h3{font-size:1.05rem;font-weight:600;color:var(--ink)}
a{color:inherit;text-underline-offset:.2em;text-decoration-color:var(--hair)}
a:hover{text-decoration-color:currentColor}
small,.sub,.under,figcaption,caption,.dateline,.empty,.filter{color:var(--quiet)}
code{font-family:var(--mono);font-size:.85em;overflow-wrap:anywhere}
abbr{text-decoration:none}
abbr.none{color:var(--quiet);cursor:help}
em{font-style:italic;color:var(--quiet)}
data.gain{color:var(--gain)}
data.loss{color:var(--loss)}
:focus-visible{outline:2px solid var(--account);outline-offset:2px;border-radius:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem 1rem;z-index:9}

.top{border-top:5px solid var(--ink);padding-top:1rem;margin-bottom:1.5rem}
.strip{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:center;gap:.5rem 1rem;min-height:2rem;margin-bottom:1.75rem}
.kicker{font-size:.8rem;font-weight:600;letter-spacing:.08em;text-transform:uppercase}
.dateline{margin-top:.5rem;font-size:.95rem;overflow-wrap:anywhere}
.lede{font-weight:400;font-size:clamp(1.15rem,1rem + .7vw,1.45rem);line-height:1.4;max-width:46rem;text-wrap:pretty}
.theme{display:inline-flex;border:1px solid var(--hair);border-radius:4px;overflow:hidden;font-size:.8rem}
.theme[hidden],.filter[hidden]{display:none}
.theme button{font:inherit;border:0;background:none;color:var(--quiet);padding:.3rem .7rem;cursor:pointer;min-height:1.75rem}
.theme button+button{border-left:1px solid var(--hair)}
.theme button[aria-pressed=true]{background:var(--raised);color:var(--ink);font-weight:600}
.theme button:focus-visible{outline-offset:-2px}
.contents{font-size:.9rem;border-bottom:1px solid var(--hair);padding:.75rem 0;margin-top:2rem}
.contents ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem}
.contents a{text-decoration:none}
.contents a:hover{text-decoration:underline}
section{margin-top:3.25rem}
section>h2{border-top:1px solid var(--ink);padding-top:.75rem;margin-bottom:1.25rem}
section>h2+.sub{margin:-.75rem 0 1.25rem;max-width:46rem}
.sub{font-size:.875rem}

.figures{display:grid;grid-template-columns:repeat(5,minmax(0,1fr));margin-top:2.25rem;border-top:1px solid var(--ink)}
.figures>div{padding:.9rem 1rem .25rem 1rem;border-left:1px solid var(--hair);min-width:0}
.figures>div:first-child{border-left:0;padding-left:0}
.figures dt{font-size:.85rem;font-weight:600}
.figures .big{font-size:clamp(1.6rem,1.1rem + 1.6vw,2.3rem);line-height:1.25;letter-spacing:-.02em;white-space:nowrap}
.figures .big small{font-size:.5em;letter-spacing:0}
.under{font-size:.85rem;line-height:1.4}
.caution{color:var(--alarm);font-weight:600}

.notices{margin-top:2rem;padding:1rem 1.25rem 1.1rem;border-left:4px solid var(--quiet);background:var(--raised)}
.notices.grave{border-color:var(--alarm);background:var(--alarm-paper)}
.notices>h2{border:0;padding:0;margin:0 0 .5rem;font-size:1.15rem}
.notices.grave>h2{color:var(--alarm)}
.notices>ul>li+li{margin-top:.6rem}
.notices ul ul{font-size:.875rem;color:var(--quiet);columns:18rem;column-gap:2rem}
.notices summary{cursor:pointer;font-size:.875rem}

.chart{margin-bottom:2.25rem}
.chart.undated{margin-bottom:.9rem}
figcaption{display:flex;flex-wrap:wrap;align-items:baseline;gap:.1rem .75rem}
.keys{display:flex;flex-wrap:wrap;gap:.1rem 1.4rem;flex-basis:100%;margin:.2rem 0 .4rem;font-size:.85rem}
.keys li{white-space:nowrap}
.keys b{color:var(--ink);font-weight:600}
.swatch{vertical-align:-1px;margin-right:.15rem}
.swatch line{stroke-width:2.25;stroke:currentColor}
.plot{position:relative;display:grid;grid-template-columns:minmax(0,1fr) 60px}
.plot svg{display:block}
.plot text{font-size:12px;fill:var(--quiet)}
.grid line{stroke:var(--grid);stroke-width:1;shape-rendering:crispEdges}
.grid .base{stroke:var(--quiet);stroke-dasharray:1 3;shape-rendering:auto}
.drawn path{vector-effect:non-scaling-stroke}
.stroke{fill:none;stroke-width:1.5;stroke-linejoin:round}
.stroke.strong{stroke-width:2}
.stroke.thin{stroke-width:1}
.stroke.halo{stroke:var(--paper);stroke-width:4.5;opacity:.85}
path.account,line.account{stroke:var(--account)}
path.rival,line.rival{stroke:var(--rival)}
path.market,line.market{stroke:var(--market)}
path.ink,line.ink{stroke:var(--ink)}
path.loss,line.loss{stroke:var(--loss)}
path.dash{stroke-dasharray:5 3}
.swatch line.dash{stroke-dasharray:4 2.5}
.under{fill:var(--losses-2)}
.wash{fill:var(--wash)}
.veil{fill:var(--quiet);opacity:.28}
.bar{fill:var(--market)}
.band{stroke:var(--paper);stroke-width:.75}
.killed{fill:url(#hatch)}
line.killed{stroke:var(--alarm);stroke-width:1.5}
#hatch line{stroke:var(--alarm);stroke-width:1;opacity:.55}
.plot .mid{text-anchor:middle}
.plot .to{text-anchor:end}
.plot .name{font-weight:600}
.plot .name.account,.plot .name.rival,.plot .name.market,.plot .name.alarm{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.plot .name.account{fill:var(--account)}
.plot .name.rival{fill:var(--rival)}
.plot .name.market{fill:var(--quiet)}
.plot .name.alarm{fill:var(--alarm)}
.cross{position:absolute;inset:0 60px 0 0;cursor:crosshair;touch-action:pan-y;outline-offset:0}
.hair{position:absolute;top:0;bottom:0;width:1px;background:var(--ink);opacity:.55;pointer-events:none}
.hair[hidden],.tip[hidden]{display:none}
.tip{position:absolute;top:4px;z-index:5;min-width:10.5rem;max-width:16rem;padding:.45rem .65rem;background:var(--paper);border:1px solid var(--hair);
border-radius:3px;box-shadow:0 2px 10px rgb(0 0 0/.14);font-size:.8rem;line-height:1.45;pointer-events:none}
.tip p{font-weight:600;white-space:nowrap}
.tip dl{display:grid;grid-template-columns:1fr auto;gap:0 1rem}
.tip dt{color:var(--quiet)}
.tip dd{text-align:right}
"""

_TABLES: Final = """
.scroll{overflow-x:auto;margin-bottom:1.75rem;
background:linear-gradient(var(--paper),var(--paper)) right/2rem 100% no-repeat local,linear-gradient(to left,var(--hair),transparent) right/.6rem 100% no-repeat scroll}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.9rem}
caption{text-align:left;font-size:.9rem;padding-bottom:.5rem}
th,td{padding:.38rem .75rem .38rem 0;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--hair);white-space:nowrap}
thead th{font-weight:600;font-size:.8rem;color:var(--quiet);border-bottom-color:var(--ink);vertical-align:bottom}
tbody th{font-weight:600}
tfoot th,tfoot td{border-bottom:0;border-top:1px solid var(--ink);margin-top:-1px;font-weight:600}
tfoot tr+tr th,tfoot tr+tr td{border-top:0}
.n{text-align:right;padding-left:.75rem}
th:last-child,td:last-child{padding-right:0}
th[scope=row]{position:sticky;left:0;background:var(--paper)}
td small,th small{font-weight:400;font-size:.85em}
svg.bar{display:block}
svg.bar line{stroke:var(--quiet);stroke-width:1}
rect.gain{fill:var(--gain)}
rect.loss{fill:var(--loss)}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 3rem}
th button{font:inherit;color:inherit;background:none;border:0;padding:.3rem 0;margin:-.3rem 0;cursor:pointer;text-align:inherit;
text-decoration:underline dotted var(--market);text-underline-offset:.25em}
th button:hover{color:var(--ink);text-decoration-style:solid}
th[aria-sort=ascending] button::before{content:"\\2191\\a0"}
th[aria-sort=descending] button::before{content:"\\2193\\a0"}
th[aria-sort]{color:var(--ink)}
.months{table-layout:fixed;min-width:54rem}
.months td,.months th{padding:.5rem .5rem}
.months th:first-child{padding-left:0}
.months td{border-left:2px solid var(--paper)}
.months .total{font-weight:600}
.roomy th,.roomy td{padding-right:1.5rem}
.roomy th:last-child,.roomy td:last-child{padding-right:0}
.measures{max-width:54rem}
.measures thead th{white-space:normal}
.measures tbody th[scope=row]{font-weight:400}
.group th{padding-top:1.5rem;border-bottom-color:var(--ink)}
tr.group:first-child th{padding-top:.6rem}
.attribution{table-layout:fixed;min-width:58rem}
.attribution thead th{white-space:normal}
.attribution th:nth-child(1){width:15%}
.attribution th:nth-child(2){width:10%}
.attribution th:nth-child(3){width:13%}
.attribution th:nth-child(4){width:11%}
.attribution td:nth-child(3),.attribution th:nth-child(3){padding-left:1.5rem}
.trades{font-size:.8rem}
.trades th,.trades td{padding-right:.5rem}
.trades .n{padding-left:.5rem}
.trades .n+:not(.n){padding-left:.75rem}
.tall{max-height:34rem;overflow:auto;border-bottom:1px solid var(--hair)}
.tall thead th{position:sticky;top:0;background:var(--paper);z-index:2}
.tall thead th:first-child{left:0;z-index:3}
.filter{font-size:.875rem;margin:.25rem 0 1rem}
.filter input{font:inherit;color:var(--ink);background:var(--paper);border:1px solid var(--market);border-radius:3px;padding:.35rem .6rem;width:min(20rem,100%)}
.filter ::placeholder{color:var(--quiet);opacity:1}
.prose td{white-space:normal;overflow-wrap:anywhere}
h3+.setup{margin-top:.75rem}
.setup{display:grid;grid-template-columns:minmax(7rem,auto) minmax(0,1fr);gap:.35rem 1.5rem;font-size:.9rem}
.setup dt{color:var(--quiet);overflow-wrap:anywhere}
.setup dd{overflow-wrap:anywhere}
footer{margin-top:3rem;padding-top:.75rem;border-top:1px solid var(--hair);font-size:.8rem;color:var(--quiet)}

@media (max-width:54rem){
.figures{grid-template-columns:repeat(6,minmax(0,1fr))}
.figures>div{grid-column:span 2}
.figures>div:nth-child(4),.figures>div:nth-child(5){grid-column:span 3;border-top:1px solid var(--hair)}
.figures>div:nth-child(4){border-left:0;padding-left:0}
.r2{display:none}
}
@media (max-width:40rem){
.figures{grid-template-columns:repeat(2,minmax(0,1fr))}
.figures>div,.figures>div:nth-child(n){grid-column:span 1;padding-left:0;border-left:0;border-top:1px solid var(--hair)}
.figures>div:first-child,.figures>div:nth-child(2){border-top:0}
.figures>div:nth-child(even){border-left:1px solid var(--hair);padding-left:.9rem}
.figures>div:last-child:nth-child(odd){grid-column:1/-1}
.r1{display:none}
.pair{grid-template-columns:minmax(0,1fr)}
.measures th[scope=row]{white-space:normal;min-width:8rem}
.measures small{display:block}
.plot{grid-template-columns:minmax(0,1fr) 52px}
.cross{right:52px}
.setup{grid-template-columns:minmax(0,1fr);gap:0}
.setup dd{margin-bottom:.6rem}
.months,.months tbody{display:block;min-width:0}
.months caption{display:block}
.months thead{display:none}
.months tr{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:2px;margin-bottom:1rem}
.months th[scope=row]{grid-column:1/-1;position:static;border:0;padding:.25rem 0}
.months td{display:block;border:0;padding:.35rem .5rem}
.months td.empty{display:none}
.months td::before{content:attr(data-label);display:block;text-align:left;font-size:.75rem}
.months td.total{grid-column:1/-1;display:flex;justify-content:space-between;border-top:1px solid var(--ink)}
}
@media print{
@page{margin:14mm}
body{font-size:9.5pt}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.sheet{max-width:none;padding:0}
.theme,.filter,.contents,.skip,.cross{display:none}
section{margin-top:1.75rem}
figure,tr,.figures,.notices{break-inside:avoid}
h2,h3,caption{break-after:avoid}
.scroll,.tall{overflow:visible;max-height:none}
.figures{grid-template-columns:repeat(5,minmax(0,1fr))}
.figures>div:nth-child(n){grid-column:span 1;border-top:0;border-left:1px solid var(--hair);padding:.5rem}
.figures>div:first-child{border-left:0;padding-left:0}
.figures .big{font-size:1.4rem}
table,thead th,caption{font-size:8pt}
.attribution,.months{min-width:0}
.scroll{background:none}
.trades,.trades thead th{font-size:5.75pt;white-space:normal}
th,td,.trades th,.trades td{padding:.12rem .3rem .12rem 0}
.n,.trades .n,.trades .n+:not(.n){padding-left:.3rem}
th button{text-decoration:none}
th[scope=row],.tall thead th{position:static}
}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
"""

STYLE: Final = themes() + _PAGE + _tones() + _TABLES
