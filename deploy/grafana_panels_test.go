package deploy_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// A board is a dashboard of Grafana, as far as it says something of its own.
type board struct {
	file, uid, title, about string

	vars []variable
	rows []row
}

// A variable is chosen at the top of a dashboard, several values or all.
type variable struct{ name, label, query string }

type row struct {
	title  string
	panels []panel
}

type panel struct {
	kind, title, unit, about string

	width   int // of 24
	queries []query
	stack   bool
	steps   []any // thresholds
	values  any   // what a state is called
}

// A query is PromQL, in which @instance, @target and @service stand for what is
// chosen. Where it may have no result, empty says why.
type query struct{ expr, legend, empty string }

func q(expr, legend string) query { return query{expr: expr, legend: legend} }

func (q query) quiet(reason string) query { q.empty = reason; return q }

func lines(title, unit string, width int, about string, queries ...query) panel {
	return panel{kind: "timeseries", title: title, unit: unit, width: width, about: about, queries: queries}
}

func stat(title, unit string, width int, about string, queries ...query) panel {
	return panel{kind: "stat", title: title, unit: unit, width: width, about: about, queries: queries}
}

func bars(title, unit string, width int, about string, queries ...query) panel {
	return panel{kind: "bargauge", title: title, unit: unit, width: width, about: about, queries: queries}
}

func table(title, unit string, width int, about string, queries ...query) panel {
	return panel{kind: "table", title: title, unit: unit, width: width, about: about, queries: queries}
}

func states(title string, values any, width int, about string, queries ...query) panel {
	return panel{kind: "state-timeline", title: title, unit: "none", width: width, about: about, queries: queries, values: values}
}

func (p panel) stacked() panel { p.stack = true; return p }

// limits: orange and red from these values on. An orange of 0 is none.
func (p panel) limits(orange, red float64) panel {
	p.steps = []any{step("green", nil)}
	if orange > 0 {
		p.steps = append(p.steps, step("orange", orange))
	}
	p.steps = append(p.steps, step("red", red))
	return p
}

// below: red below the one, orange below the other.
func (p panel) below(red, orange float64) panel {
	p.steps = []any{step("red", nil)}
	if orange > red {
		p.steps = append(p.steps, step("orange", red))
	}
	p.steps = append(p.steps, step("green", orange))
	return p
}

// between: green from low on, up to high.
func (p panel) between(low, high float64) panel {
	p.steps = []any{step("red", nil), step("green", low), step("red", high)}
	return p
}

func step(color string, from any) any { return object{"color": color, "value": from} }

type object = map[string]any

var (
	upDown  = mapping("down", "red", "up", "green")
	failing = mapping("well", "green", "failing", "red")
)

func mapping(zero, zeroColor, one, oneColor string) any {
	return []any{object{"type": "value", "options": object{
		"0": object{"index": 0, "text": zero, "color": zeroColor},
		"1": object{"index": 1, "text": one, "color": oneColor},
	}}}
}

var chosen = strings.NewReplacer(
	"@instance", `instance=~"$instance"`,
	"@target", `instance=~"$instance", target=~"$target"`,
	"@service", `instance=~"$instance", service=~"$service"`,
)

// The variable, so that a dashboard works with whatever the data source is called.
var source = object{"type": "prometheus", "uid": "${datasource}"}

// json is the dashboard as Grafana imports it.
func (b *board) json(t *testing.T) []byte {
	t.Helper()
	templating := []any{object{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0}}
	for _, v := range b.vars {
		templating = append(templating, object{
			"name": v.name, "label": v.label, "type": "query", "datasource": source, "definition": v.query,
			"query": object{"query": v.query, "refId": v.name}, "refresh": 2, "sort": 1,
			"multi": true, "includeAll": true, "allValue": ".*", "current": object{"text": []string{"All"}, "value": []string{"$__all"}},
		})
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(object{
		"uid": b.uid, "title": b.title, "description": b.about, "tags": []string{"logkeel"}, "schemaVersion": 39, "editable": true,
		"graphTooltip": 1, "refresh": "30s", "time": object{"from": "now-3h", "to": "now"}, "timezone": "", "annotations": object{"list": []any{}},
		"links": []any{object{
			"type": "dashboards", "title": "logkeel", "tags": []string{"logkeel"}, "asDropdown": false,
			"includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link", "tooltip": "", "url": "",
		}},
		"templating": object{"list": templating}, "panels": b.panels(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const height = 8

// panels are placed from left to right, and in a new line where one has no room.
func (b *board) panels() []any {
	var all []any
	y := 0
	place := func(p object, x, width, height int) {
		p["id"] = len(all) + 1
		p["gridPos"] = object{"x": x, "y": y, "w": width, "h": height}
		all = append(all, p)
	}
	for _, r := range b.rows {
		place(object{"type": "row", "title": r.title, "collapsed": false, "panels": []any{}}, 0, 24, 1)
		y++
		x := 0
		for i := range r.panels {
			p := &r.panels[i]
			if x+p.width > 24 {
				x, y = 0, y+height
			}
			place(p.object(), x, p.width, height)
			x += p.width
		}
		y += height
	}
	return all
}

func (p *panel) object() object {
	field := object{"unit": p.unit}
	if p.values != nil {
		field["mappings"] = p.values
		field["custom"] = object{"fillOpacity": 80, "lineWidth": 0}
	}
	color := "palette-classic"
	if p.values != nil || p.steps != nil || p.kind == "bargauge" {
		color = "thresholds"
	}
	field["color"] = object{"mode": color}
	steps := p.steps
	if steps == nil {
		steps = []any{step("green", nil)}
	}
	field["thresholds"] = object{"mode": "absolute", "steps": steps}
	o := object{
		"type": p.kind, "title": p.title, "description": p.about, "datasource": source,
		"options": p.options(field), "fieldConfig": object{"defaults": field, "overrides": []any{}},
	}
	var targets []any
	for i, q := range p.queries {
		t := object{"refId": string(rune('A' + i)), "datasource": source, "editorMode": "code", "expr": chosen.Replace(q.expr), "legendFormat": q.legend, "range": true}
		switch p.kind {
		case "table":
			t["format"] = "table"
			fallthrough
		case "stat", "bargauge":
			t["range"], t["instant"] = false, true
		}
		targets = append(targets, t)
	}
	o["targets"] = targets
	if p.kind == "table" {
		o["transformations"] = []any{object{"id": "organize", "options": object{"excludeByName": object{"Time": true}, "indexByName": object{}, "renameByName": object{}}}}
	}
	return o
}

// options are those of the kind of panel; what belongs to the field is put there.
func (p *panel) options(field object) object {
	latest := object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}
	switch p.kind {
	case "timeseries":
		custom := object{"fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "spanNulls": false}
		if p.stack {
			custom["fillOpacity"] = 60
			custom["stacking"] = object{"mode": "normal", "group": "A"}
		}
		field["custom"], field["min"] = custom, 0
		return object{
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}
	case "stat":
		return object{
			"reduceOptions": latest, "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "textMode": "auto", "orientation": "auto", "wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard",
		}
	case "bargauge":
		field["min"] = 0
		if full := map[string]int{"percentunit": 1, "percent": 100}[p.unit]; full > 0 {
			field["max"] = full
		}
		return object{
			"reduceOptions": latest, "displayMode": "basic", "orientation": "horizontal", "valueMode": "color", "showUnfilled": true,
			"namePlacement": "auto", "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
			"legend": object{"showLegend": false, "displayMode": "list", "placement": "bottom", "calcs": []string{}},
		}
	case "table":
		return object{"showHeader": true, "frameIndex": 0, "cellHeight": "sm", "sortBy": []any{object{"displayName": "Value", "desc": true}}}
	default:
		return object{
			"showValue": "never", "rowHeight": 0.9, "mergeValues": true, "tooltip": object{"mode": "single", "sort": "none"},
			"legend": object{"showLegend": false, "displayMode": "list", "placement": "bottom", "calcs": []string{}},
		}
	}
}
