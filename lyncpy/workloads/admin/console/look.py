"""How the console looks: one style and one script, both ours and in the page."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--text:#1b1d21;--quiet:#5b616b;--line:#e2e5e9;--accent:#1a5fb4;
--area:#1a5fb41f;--good:#1b7437;--warning:#8a5000;--error:#b3261e}
@media(prefers-color-scheme:dark){:root{--page:#131519;--card:#1c1f24;--text:#e9ebee;--quiet:#a3aab4;--line:#2d323a;
--accent:#8fbcf7;--area:#8fbcf726;--good:#79d293;--warning:#f2b84b;--error:#ff9a90}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:.9375rem/1.45 system-ui,sans-serif;
font-variant-numeric:tabular-nums}
a{color:var(--accent)}h1,h2,p,ul,figure{margin:0}ul{padding:0;list-style:none}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:3px}
.skip{position:absolute;left:-99rem}.skip:focus{left:.75rem;top:.5rem;background:var(--card);padding:.25rem .5rem}
.bar{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem 1.5rem;padding:.5rem 1.25rem;background:var(--card);
border-bottom:1px solid var(--line)}
.brand{display:flex;align-items:center;gap:.5rem;font-weight:600;color:inherit;text-decoration:none;overflow-wrap:anywhere}
.brand img{width:1.5rem;height:1.5rem;object-fit:contain}
nav{display:flex;flex-wrap:wrap;gap:.125rem}
nav a{padding:.375rem .625rem;border-radius:.375rem;color:var(--quiet);text-decoration:none}
nav a:hover{color:var(--text)}nav a[aria-current]{color:var(--text);background:var(--page);font-weight:600}
.end{display:flex;align-items:center;gap:.75rem;margin-left:auto;color:var(--quiet)}
button,input{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.375rem;
padding:.3125rem .75rem}
button{cursor:pointer}button:hover{border-color:var(--accent)}button.main{background:var(--accent);color:var(--card);
border-color:var(--accent);font-weight:600}
main{max-width:90rem;margin:0 auto;padding:1rem 1.25rem 3rem;display:grid;gap:1rem}
.head{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem 1rem}
h1{font-size:1.25rem;line-height:1.3}h2{font-size:.9375rem;line-height:1.3}
.quiet{color:var(--quiet)}.small{font-size:.8125rem}.right{margin-left:auto}
.good{color:var(--good)}.warning{color:var(--warning)}.error{color:var(--error)}
.card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.875rem 1rem;min-width:0}
.card>h2{margin-bottom:.5rem}
.conditions li{padding:.5rem 0;border-top:1px solid var(--line);overflow-wrap:anywhere}.conditions li:first-child{border:0;padding-top:0}.conditions li:last-child{padding-bottom:0}
.mark{font-weight:600}
.spans{display:flex;gap:.125rem}.spans a{padding:.1875rem .5rem;border-radius:.375rem;text-decoration:none}
.spans a[aria-current]{background:var(--card);color:var(--text);font-weight:600;border:1px solid var(--line)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(16rem,1fr));gap:1rem}
.chart{padding:.75rem 1rem .5rem}figcaption{display:flex;align-items:baseline;gap:.375rem}
.chart b{font-size:1.375rem;line-height:1.2;font-weight:600}.chart h2{flex:1;font-weight:400;color:var(--quiet)}
svg{display:block;width:100%;height:4.5rem;margin:.375rem 0 .25rem;overflow:visible}
.line{fill:none;stroke:var(--accent);stroke-width:1.5;stroke-linejoin:round;stroke-linecap:round;vector-effect:non-scaling-stroke}
.area{fill:var(--area)}.grid{stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}
.axis{display:flex;justify-content:space-between;color:var(--quiet);font-size:.75rem}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));gap:1rem}
table{width:100%;border-collapse:collapse}th{font-weight:400;color:var(--quiet);font-size:.8125rem;text-align:left}
th,td{padding:.3125rem .75rem .3125rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
th{white-space:nowrap;overflow-wrap:normal}tr:last-child td{border-bottom:0}
td.number,th.number{text-align:right;padding-right:1.5rem}table th:last-child,table td:last-child{padding-right:0}td.time{white-space:nowrap}
.more{margin-top:.5rem}.search{display:flex;flex-wrap:wrap;gap:.5rem;align-items:end}.search label{display:grid;gap:.25rem}
.search input{width:18rem;max-width:100%}.pager{display:flex;gap:1rem;align-items:center;margin-top:.75rem}
.sign-in{max-width:26rem;margin:12vh auto 0;padding:1.5rem;display:grid;gap:1rem}
.sign-in form,.sign-in label{display:grid;gap:.5rem}.sign-in input{padding:.5rem .75rem}.sign-in button{padding:.5rem .75rem}
code{overflow-wrap:anywhere}[hidden]{display:none!important}
@media(max-width:44rem){.wide{display:none}.bar,main{padding-left:.875rem;padding-right:.875rem}nav{order:1;width:100%}.end span{display:none}#state{flex:1 0 100%}
nav a{padding:.375rem .5rem}.charts{grid-template-columns:repeat(2,minmax(0,1fr));gap:.625rem}.chart{padding:.625rem .75rem .375rem}
.chart figcaption{flex-wrap:wrap}.chart h2{flex:1 0 100%;font-size:.8125rem}.two{grid-template-columns:minmax(0,1fr)}
.search input{width:100%}.search label{flex:1}}
""".replace("\n", "")

SCRIPT: Final = """
const pause=document.querySelector('[data-pause]'),told=document.querySelector('[role=status]');
let paused=false;
if(pause){pause.hidden=false;pause.addEventListener('click',()=>{paused=!paused;
pause.textContent=paused?'Go on':'Pause';told.textContent=paused?'Paused':''});
const renew=async()=>{
if(!paused&&!document.hidden){let answer=null;
try{answer=await fetch(location.href,{credentials:'same-origin',cache:'no-store'})}catch{}
if(answer&&answer.redirected){location.assign(answer.url);return}
if(answer&&answer.ok){
const page=new DOMParser().parseFromString(await answer.text(),'text/html');
for(const next of page.querySelectorAll('[data-live]')){
const old=document.getElementById(next.id);
if(old&&!old.contains(document.activeElement)&&old.innerHTML!==next.innerHTML)old.replaceWith(next)}
if(!paused)told.textContent=''}
else told.textContent='Not up to date: the server does not answer'}
setTimeout(renew,10000)};
setTimeout(renew,10000)}
""".replace("\n", "")
"""Renews, every ten seconds, the parts of a page that live; what has the focus stays. Without it a page is as of when it was asked for."""
