// A long list of which only what is in view is drawn. Heights are measured once rows were drawn and
// guessed before; what the reader looks at stays in its place.

import { Component, html } from "../../htm-preact/preact-standalone.js";

const OVERSCAN = 600;
const AT_END = 48;

/** Props: `items` (objects that stay the same), `version` (changes with them), `row` (a component
 *  that gets `item` and `redraw`), `guess` (pixels of an item), `label`, `startAtEnd`, `onTop`,
 *  `onBottom`, `onFollow` (told whether the end stays in view), `more` (whether items come after the last). */
export class WindowedList extends Component {
  constructor(props) {
    super(props);
    this.heights = new WeakMap();
    this.offsets = new Float64Array(1);
    this.following = Boolean(props.startAtEnd);
    this.anchor = null;
    this.top = 0;
    this.redraw = () => this.setState({});
    this.follow = (following) => {
      if (following === this.following) return;
      this.following = following;
      this.props.onFollow?.(following);
    };
    this.onScroll = () => {
      const { scrollTop, clientHeight, scrollHeight } = this.pane;
      // A scroll of ours is told late, when rows may have come below it: the reader alone goes up.
      if (scrollTop + clientHeight >= scrollHeight - AT_END) this.follow(this.following || !this.props.more);
      else if (scrollTop < this.top - 1) this.follow(false);
      this.top = scrollTop;
      this.setAnchor();
      this.askForMore();
      this.redraw();
    };
  }

  componentDidMount() {
    this.props.onFollow?.(this.following);
    this.watch = new ResizeObserver(() => this.measure());
    this.watch.observe(this.pane);
    this.watch.observe(this.list);
    this.measure();
    this.redraw();
  }

  componentDidUpdate() {
    this.measure();
  }

  componentWillUnmount() {
    this.watch.disconnect();
  }

  toEnd() {
    this.follow(true);
    this.settle();
    this.redraw();
  }

  layout() {
    const { items, guess } = this.props;
    if (this.offsets.length !== items.length + 1) this.offsets = new Float64Array(items.length + 1);
    for (let at = 0; at < items.length; at += 1) {
      this.offsets[at + 1] = this.offsets[at] + (this.heights.get(items[at]) ?? guess(items[at]));
    }
  }

  /** Index of the item at this height, by halving. */
  indexAt(y) {
    let low = 0;
    let high = Math.max(0, this.props.items.length - 1);
    while (low < high) {
      const half = (low + high + 1) >> 1;
      if (this.offsets[half] <= y) low = half;
      else high = half - 1;
    }
    return low;
  }

  setAnchor() {
    const at = this.indexAt(this.pane.scrollTop);
    const item = this.props.items[at];
    this.anchor = item ? { item, beyond: this.pane.scrollTop - this.offsets[at] } : null;
  }

  /** Take the heights of the drawn rows, and draw again where they are not as guessed. */
  measure() {
    let changed = false;
    for (const element of this.list.children) {
      const item = this.drawn[element.dataset.at - this.from];
      const { height } = element.getBoundingClientRect();
      if (item && height && Math.abs((this.heights.get(item) ?? -1) - height) > 0.5) {
        this.heights.set(item, height);
        changed = true;
      }
    }
    if (changed) this.layout();
    this.settle();
    this.askForMore();
    if (changed || this.isOutOfView()) this.redraw();
  }

  /** Say so where an end of what is here comes near. */
  askForMore() {
    const { scrollTop, clientHeight } = this.pane;
    if (scrollTop < OVERSCAN) this.props.onTop?.();
    if (scrollTop + clientHeight > this.offsets[this.props.items.length] - OVERSCAN) this.props.onBottom?.();
  }

  /** Scroll to where the reader is: at the end, or at the item that was on top. */
  settle() {
    const total = this.offsets[this.props.items.length];
    this.room.style.height = `${total}px`;
    this.list.style.transform = `translateY(${this.offsets[this.from] ?? 0}px)`;
    const wanted = this.following ? total - this.pane.clientHeight : this.anchoredTop();
    if (wanted !== null && Math.abs(this.pane.scrollTop - wanted) > 1) this.pane.scrollTop = wanted;
    this.top = this.pane.scrollTop;
  }

  anchoredTop() {
    if (!this.anchor) return null;
    const at = this.props.items.indexOf(this.anchor.item);
    return at < 0 ? null : this.offsets[at] + this.anchor.beyond;
  }

  isOutOfView() {
    const [from, to] = this.range();
    return from < this.from || to > this.from + this.drawn.length;
  }

  range() {
    const count = this.props.items.length;
    if (!this.pane) return this.following ? [Math.max(0, count - 30), count] : [0, Math.min(30, count)];
    const top = this.following
      ? Math.max(0, this.offsets[count] - this.pane.clientHeight) : this.pane.scrollTop;
    const bottom = top + this.pane.clientHeight;
    return [this.indexAt(top - OVERSCAN), Math.min(count, this.indexAt(bottom + OVERSCAN) + 1)];
  }

  render({ items, row: Row, label, children }) {
    this.layout();
    const [from, to] = this.range();
    this.from = from;
    this.drawn = items.slice(from, to);
    return html`<div class="pane" tabindex="0" role="region" aria-label=${label} onScroll=${this.onScroll}
      ref=${(element) => { this.pane = element; }}>
      <div class="room" ref=${(element) => { this.room = element; }}>
        <ol class="window" ref=${(element) => { this.list = element; }}>
          ${this.drawn.map((item, index) => html`<li key=${item.key} data-at=${from + index}
            aria-setsize=${items.length} aria-posinset=${from + index + 1}><${Row} item=${item} redraw=${this.redraw} /></li>`)}
        </ol>
      </div>
      ${children}
    </div>`;
  }
}
