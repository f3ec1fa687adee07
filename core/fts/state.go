package fts

import (
	"context"
	"net"
	"net/http"
	"strconv"

	"github.com/takhost/takhost/core/web"
)

// state declares what tells who is connected and which services run. In
// FreeTAKServer the address decides who may ask; here credentials do.
func (r registrar) state() {
	r.add(operators(r.op("GET", "/Clients", "clients", "Who is connected", "", jsonType)),
		func(ctx context.Context, _ *Request) *Reply {
			type client struct {
				IP       string `json:"ip"`
				Callsign string `json:"callsign"`
				Team     string `json:"team"`
			}
			list := []client{}
			for _, c := range r.d.clients(ctx) {
				ip, _ := hostPort(c.Addr)
				list = append(list, client{ip, c.Callsign, c.Team})
			}
			return asJSON(http.StatusOK, list)
		})

	r.add(operators(r.op("GET", "/checkStatus", "status", "Which services run", "A status is start, stop, or empty when the service was never started.", jsonType)),
		func(ctx context.Context, _ *Request) *Reply {
			return asJSON(http.StatusOK, servicesOf(r.d.listeners(ctx)))
		})
}

func (d *Deps) clients(ctx context.Context) []web.Client {
	if d.Clients == nil {
		return nil
	}
	return d.Clients(ctx)
}

func (d *Deps) listeners(ctx context.Context) []web.Listener {
	if d.Listeners == nil {
		return nil
	}
	return d.Listeners(ctx)
}

// services are what FreeTAKServer calls its listeners, in its order. The last
// three are inside of it and have no counterpart here.
type services struct {
	CoT struct {
		IP     string `json:"CoTServiceIP"`
		Port   int    `json:"CoTServicePort"`
		Status string `json:"CoTServiceStatus"`
	} `json:"CoTService"`
	TCPDataPackage struct {
		IP     string `json:"TCPDataPackageServiceIP"`
		Port   int    `json:"TCPDataPackageServicePort"`
		Status string `json:"TCPDataPackageServiceStatus"`
	} `json:"TCPDataPackageService"`
	SSLDataPackage struct {
		IP     string `json:"SSLDataPackageServiceIP"`
		Port   int    `json:"SSLDataPackageServicePort"`
		Status string `json:"SSLDataPackageServiceStatus"`
	} `json:"SSLDataPackageService"`
	REST struct {
		IP     string `json:"RestAPIServiceIP"`
		Port   int    `json:"RestAPIServicePort"`
		Status string `json:"RestAPIServiceStatus"`
	} `json:"RestAPIService"`
	SSLCoT struct {
		IP     string `json:"SSLCoTServiceIP"`
		Port   int    `json:"SSLCoTServicePort"`
		Status string `json:"SSLCoTServiceStatus"`
	} `json:"SSLCoTService"`
	FederationClient struct {
		Port   int    `json:"FederationClientServicePort"`
		Status string `json:"FederationClientServiceStatus"`
	} `json:"FederationClientService"`
	FederationServer struct {
		IP     string `json:"FederationServerServiceIP"`
		Port   int    `json:"FederationServerServicePort"`
		Status string `json:"FederationServerServiceStatus"`
	} `json:"FederationServerService"`
	RoutingProxy struct{} `json:"RoutingProxyService"`
	Components   struct{} `json:"ComponentRegistration"`
	Integration  struct{} `json:"IntegrationManagerService"`
}

// federationPort is where FreeTAKServer has it; the listener is a plugin's.
const federationPort = 9000

func servicesOf(list []web.Listener) (s services) {
	s.FederationClient.Port, s.FederationServer.Port = federationPort, federationPort
	for _, l := range list {
		ip, port := hostPort(l.Addr)
		status := "stop"
		if l.State == "open" {
			status = "start"
		}
		switch l.Name {
		case "tcp":
			s.CoT.IP, s.CoT.Port, s.CoT.Status = ip, port, status
		case "http":
			s.TCPDataPackage.IP, s.TCPDataPackage.Port, s.TCPDataPackage.Status = ip, port, status
		case "https":
			s.SSLDataPackage.IP, s.SSLDataPackage.Port, s.SSLDataPackage.Status = ip, port, status
		case "rest":
			s.REST.IP, s.REST.Port, s.REST.Status = ip, port, status
		case "tls":
			s.SSLCoT.IP, s.SSLCoT.Port, s.SSLCoT.Status = ip, port, status
		case "federation":
			s.FederationServer.IP, s.FederationServer.Port, s.FederationServer.Status = ip, port, status
		}
	}
	return s
}

// hostPort cuts an address; what is none stays whole.
func hostPort(addr string) (host string, port int) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, 0
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		return addr, 0
	}
	return host, port
}
