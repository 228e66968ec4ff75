// Package metrics shows what a node does to Prometheus. Labels are words of this
// program's own: no name, path, address, key or capability is ever one.
package metrics

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are a node's. Its methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	families map[Name]Family

	commitSeconds, commitChanges prometheus.Histogram
	commitsLost                  *prometheus.CounterVec
	blockSeconds                 *prometheus.HistogramVec
	blockBytes, blockErrors      *prometheus.CounterVec
	s3Requests, s3Bytes          *prometheus.CounterVec
	s3Seconds                    *prometheus.HistogramVec
}

// New returns metrics in which nothing has happened yet.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), families: map[Name]Family{}}
	for _, f := range Families() {
		m.families[f.Name] = f
	}
	m.commitSeconds = prometheus.NewHistogram(m.histogramOf(commitSeconds, seconds()))
	m.commitChanges = prometheus.NewHistogram(m.histogramOf(commitChanges, prometheus.ExponentialBuckets(1, 2, 11)))
	m.commitsLost = m.counters(commitsLost)
	m.blockSeconds = prometheus.NewHistogramVec(m.histogramOf(blockSeconds, seconds()), m.families[blockSeconds].Labels)
	m.blockBytes, m.blockErrors = m.counters(blockBytes), m.counters(blockErrors)
	m.s3Requests, m.s3Bytes = m.counters(s3Requests), m.counters(s3Bytes)
	m.s3Seconds = prometheus.NewHistogramVec(m.histogramOf(s3Seconds, seconds()), m.families[s3Seconds].Labels)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.commitSeconds, m.commitChanges, m.commitsLost, m.blockSeconds, m.blockBytes, m.blockErrors,
		m.s3Requests, m.s3Bytes, m.s3Seconds,
	)
	return m
}

// seconds are the bounds of histograms of times: 0.1 ms to 26 s.
func seconds() []float64 { return prometheus.ExponentialBuckets(0.0001, 2, 19) }

func (m *Metrics) histogramOf(n Name, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: string(n), Help: m.families[n].Help, Buckets: buckets}
}

func (m *Metrics) counters(n Name) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: string(n), Help: m.families[n].Help}, m.families[n].Labels)
}

// Commit notes one transaction of the filestore, that many changes went into it,
// and the kinds of the errors of its requests that were refused.
func (m *Metrics) Commit(took time.Duration, changes int, refused []string) {
	m.commitSeconds.Observe(took.Seconds())
	m.commitChanges.Observe(float64(changes))
	for _, kind := range refused {
		m.commitsLost.WithLabelValues(kind).Inc()
	}
}

// Block notes one request to a store; kind is that of its error, "" for none.
func (m *Metrics) Block(store, op string, took time.Duration, bytes int, kind string) {
	m.blockSeconds.WithLabelValues(store, op).Observe(took.Seconds())
	m.blockBytes.WithLabelValues(store, op).Add(float64(bytes))
	if kind != "" {
		m.blockErrors.WithLabelValues(store, op, kind).Inc()
	}
}

// S3Request notes one request to the S3 frontend: its operation, one of the
// frontend's own words, the status, and the bytes of the bodies.
func (m *Metrics) S3Request(operation string, status int, received, sent int64, took time.Duration) {
	m.s3Requests.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	m.s3Seconds.WithLabelValues(operation).Observe(took.Seconds())
	m.s3Bytes.WithLabelValues(operation, "in").Add(float64(max(received, 0)))
	m.s3Bytes.WithLabelValues(operation, "out").Add(float64(max(sent, 0)))
}

// Emit gives the value of one metric, with the values of its labels.
type Emit func(n Name, value float64, labels ...string)

// Read has read called at every scrape, for a bounded time, for the metrics that
// somebody else keeps.
func (m *Metrics) Read(read func(context.Context, Emit)) {
	m.registry.MustRegister(&reader{m: m, read: read})
}

// scrapeTime bounds what a scrape may ask of stores.
const scrapeTime = 5 * time.Second

// reader is a prometheus.Collector over a function.
type reader struct {
	m    *Metrics
	read func(context.Context, Emit)
}

// Describe implements prometheus.Collector: what comes is known when it comes.
func (*reader) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (r *reader) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	r.read(ctx, func(n Name, value float64, labels ...string) {
		f := r.m.families[n]
		kind := prometheus.GaugeValue
		if f.Type == counter {
			kind = prometheus.CounterValue
		}
		metric, err := prometheus.NewConstMetric(prometheus.NewDesc(string(n), f.Help, f.Labels, nil), kind, value, labels...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(prometheus.NewDesc(string(n), f.Help, f.Labels, nil), err)
		}
		out <- metric
	})
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 2 * scrapeTime})
}
