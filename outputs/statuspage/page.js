(function () {
	"use strict";
	var every = 15000, paused = false, asking = false, timer = 0;
	var pause = document.getElementById("pause"), lost = document.getElementById("lost"), fresh = document.getElementById("fresh");
	// busy says that somebody would lose what he is doing.
	function busy() {
		var at = document.activeElement, chosen = window.getSelection();
		return document.hidden || at && at.tagName === "INPUT" || chosen && !chosen.isCollapsed;
	}
	function open() {
		var is = {};
		document.querySelectorAll("details[id]").forEach(function (d) { is[d.id] = d.open; });
		return is;
	}
	function take(text) {
		var next = new DOMParser().parseFromString(text, "text/html");
		var page = next.getElementById("page"), was = open(), at = document.activeElement && document.activeElement.getAttribute("href");
		if (!page) throw new Error("no page");
		page.querySelectorAll("details[id]").forEach(function (d) { if (d.id in was) d.open = was[d.id]; });
		document.getElementById("page").replaceWith(document.adoptNode(page));
		fresh.textContent = next.getElementById("fresh").textContent;
		document.title = next.title;
		document.querySelector("link[rel=icon]").href = next.querySelector("link[rel=icon]").getAttribute("href");
		if (at) page.querySelectorAll("a").forEach(function (a) { if (a.getAttribute("href") === at && document.activeElement === document.body) a.focus({preventScroll: true}); });
	}
	function renew() {
		clearTimeout(timer);
		if (paused || asking) return;
		if (busy()) { timer = setTimeout(renew, 2000); return; }
		asking = true;
		fetch(location.pathname + location.search, {cache: "no-store", credentials: "same-origin"}).then(function (r) {
			if (!r.ok) throw new Error("status " + r.status);
			return r.text();
		}).then(function (text) {
			take(text);
			lost.hidden = true;
		}).catch(function () {
			lost.textContent = "The agent does not answer. What is shown is old.";
			lost.hidden = false;
		}).then(function () {
			asking = false;
			timer = setTimeout(renew, every);
		});
	}
	pause.hidden = false;
	pause.addEventListener("click", function () {
		paused = !paused;
		pause.textContent = paused ? "Go on" : "Pause";
		pause.setAttribute("aria-pressed", String(paused));
		renew();
	});
	document.addEventListener("visibilitychange", function () { if (!document.hidden) renew(); });
	timer = setTimeout(renew, every);
})();
