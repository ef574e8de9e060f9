#include "xpu-agent/core/model_tables.h"

#include <optional>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// Migration i brings the file from version i to i + 1. Those that were released are never changed.
const char kSchema[] = R"sql(
CREATE TABLE bridges (
  id          TEXT PRIMARY KEY,
  vlan_id     INTEGER NOT NULL,
  vni         INTEGER,            -- NULL: local
  vtep        TEXT,
  network_key INTEGER NOT NULL UNIQUE,
  prefixes    TEXT NOT NULL,      -- separated by blanks
  gateways    TEXT NOT NULL,
  mtu         INTEGER NOT NULL
) STRICT;
CREATE TABLE ports (
  id        TEXT PRIMARY KEY,
  mac       TEXT NOT NULL,
  trunk     INTEGER NOT NULL,
  bridges   TEXT NOT NULL,
  ofport    INTEGER NOT NULL,
  bound     INTEGER NOT NULL,
  addresses TEXT NOT NULL,
  claim     INTEGER NOT NULL
) STRICT;
CREATE TABLE claims (
  port     TEXT PRIMARY KEY,
  highest  INTEGER NOT NULL,
  released INTEGER NOT NULL
) STRICT;
CREATE TABLE last_network_key (value INTEGER NOT NULL) STRICT;
INSERT INTO last_network_key VALUES (0);
)sql";
// OpenFlow numbers are the representors', which are on the switch with or without a port.
const char kNoOfport[] = "ALTER TABLE ports DROP COLUMN ofport;";
const char kVlan[] = "ALTER TABLE ports ADD COLUMN vlan INTEGER;  -- NULL: in the bridges";

const char kRouting[] = R"sql(
CREATE TABLE vrfs (
  id       TEXT PRIMARY KEY,
  vni      INTEGER,            -- NULL: of this card alone
  loopback TEXT,
  vtep     TEXT,
  vrf_key  INTEGER NOT NULL UNIQUE
) STRICT;
CREATE TABLE svis (
  id         TEXT PRIMARY KEY,
  vrf        TEXT NOT NULL,
  bridge     TEXT NOT NULL,
  mac        TEXT NOT NULL,
  gateways   TEXT NOT NULL,
  enable_bgp INTEGER NOT NULL,
  remote_as  INTEGER NOT NULL
) STRICT;
CREATE TABLE remote_ports (
  id        TEXT PRIMARY KEY,
  bridge    TEXT NOT NULL,
  mac       TEXT NOT NULL,
  addresses TEXT NOT NULL,
  vtep      TEXT NOT NULL
) STRICT;
CREATE TABLE last_keys (kind TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
INSERT INTO last_keys SELECT 'network', value FROM last_network_key;
INSERT INTO last_keys VALUES ('vrf', 0);
DROP TABLE last_network_key;
)sql";
const char kDns[] = R"sql(
ALTER TABLE bridges ADD COLUMN dns_servers TEXT NOT NULL DEFAULT '';
ALTER TABLE bridges ADD COLUMN domain TEXT NOT NULL DEFAULT '';
ALTER TABLE bridges ADD COLUMN search TEXT NOT NULL DEFAULT '';
ALTER TABLE bridges ADD COLUMN lease_time INTEGER NOT NULL DEFAULT 86400;
)sql";
// Bits and bits a second; a rate of 0 is no limit.
const char kBandwidth[] = R"sql(
ALTER TABLE ports ADD COLUMN ingress_rate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ports ADD COLUMN ingress_burst INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ports ADD COLUMN egress_rate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ports ADD COLUMN egress_burst INTEGER NOT NULL DEFAULT 0;
)sql";
const char kNetworkFunctions[] = R"sql(
CREATE TABLE network_functions (
  id           TEXT PRIMARY KEY,
  input        TEXT NOT NULL,
  input_mac    TEXT NOT NULL,
  input_claim  INTEGER NOT NULL,
  output       TEXT NOT NULL,
  output_mac   TEXT NOT NULL,
  output_claim INTEGER NOT NULL,
  bridge       TEXT NOT NULL,      -- empty: of the VLAN, or all
  vlan         INTEGER,
  position     INTEGER NOT NULL
) STRICT;
)sql";
const char kChains[] = "ALTER TABLE network_functions ADD COLUMN chain TEXT NOT NULL DEFAULT '';";
const char kPlugin[] = R"sql(
CREATE TABLE plugin (
  only_one   INTEGER PRIMARY KEY CHECK (only_one = 1),
  identifier TEXT NOT NULL
) STRICT;
)sql";
// What pods ask for themselves.
const char kPodBandwidth[] = R"sql(
ALTER TABLE ports ADD COLUMN pod_ingress_rate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ports ADD COLUMN pod_ingress_burst INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ports ADD COLUMN pod_egress_rate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ports ADD COLUMN pod_egress_burst INTEGER NOT NULL DEFAULT 0;
)sql";
const char kBlocks[] = "ALTER TABLE bridges ADD COLUMN blocks TEXT;  -- NULL: all of the prefixes";

template <typename T>
std::string Join(const std::vector<T>& values) {
  return absl::StrJoin(values, " ", [](std::string* out, const T& value) { out->append(value.ToString()); });
}

template <typename T>
absl::StatusOr<std::vector<T>> Split(const std::string& text) {
  std::vector<T> values;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    XPU_ASSIGN_OR_RETURN(T value, T::Parse(word));
    values.push_back(value);
  }
  return values;
}

void BindNumber(int parameter, const std::optional<uint32_t>& number, Statement* put) {
  number.has_value() ? put->Bind(parameter, static_cast<int64_t>(*number)) : put->BindNull(parameter);
}

void BindAddress(int parameter, const std::optional<InterfaceAddress>& address, Statement* put) {
  address.has_value() ? put->Bind(parameter, address->ToString()) : put->BindNull(parameter);
}

std::optional<uint32_t> ReadNumber(const Statement& row, int column) {
  if (row.IsNull(column)) return std::nullopt;
  return static_cast<uint32_t>(row.Int(column));
}

absl::StatusOr<std::optional<InterfaceAddress>> ReadAddress(const Statement& row, int column) {
  if (row.IsNull(column)) return std::optional<InterfaceAddress>();
  XPU_ASSIGN_OR_RETURN(InterfaceAddress address, InterfaceAddress::Parse(row.Text(column)));
  return std::optional<InterfaceAddress>(address);
}

}  // namespace

const std::vector<std::string>& ModelMigrations() {
  static const auto* const kAll =
      new std::vector<std::string>{kSchema,    kNoOfport,         kVlan,   kRouting, kDns,         kBlocks,
                                   kBandwidth, kNetworkFunctions, kChains, kPlugin,  kPodBandwidth};
  return *kAll;
}

absl::StatusOr<Vrf> Table<Vrf>::Read(const Statement& row) {
  Vrf vrf;
  vrf.id = row.Text(0);
  vrf.vni = ReadNumber(row, 1);
  XPU_ASSIGN_OR_RETURN(vrf.loopback, ReadAddress(row, 2));
  XPU_ASSIGN_OR_RETURN(vrf.vtep, ReadAddress(row, 3));
  vrf.vrf_key = static_cast<uint32_t>(row.Int(4));
  return vrf;
}

void Table<Vrf>::Bind(const Vrf& vrf, Statement* put) {
  put->Bind(1, vrf.id);
  BindNumber(2, vrf.vni, put);
  BindAddress(3, vrf.loopback, put);
  BindAddress(4, vrf.vtep, put);
  put->Bind(5, static_cast<int64_t>(vrf.vrf_key));
}

absl::StatusOr<LogicalBridge> Table<LogicalBridge>::Read(const Statement& row) {
  LogicalBridge bridge;
  bridge.id = row.Text(0);
  bridge.vlan_id = static_cast<uint32_t>(row.Int(1));
  bridge.vni = ReadNumber(row, 2);
  XPU_ASSIGN_OR_RETURN(bridge.vtep, ReadAddress(row, 3));
  bridge.network_key = static_cast<uint32_t>(row.Int(4));
  XPU_ASSIGN_OR_RETURN(bridge.prefixes, Split<IpPrefix>(row.Text(5)));
  XPU_ASSIGN_OR_RETURN(bridge.gateways, Split<IpAddress>(row.Text(6)));
  bridge.mtu = static_cast<uint32_t>(row.Int(7));
  XPU_ASSIGN_OR_RETURN(bridge.dns.servers, Split<IpAddress>(row.Text(8)));
  bridge.dns.domain = row.Text(9);
  bridge.dns.search = absl::StrSplit(row.Text(10), ' ', absl::SkipEmpty());
  bridge.lease_time = static_cast<uint32_t>(row.Int(11));
  if (!row.IsNull(12)) {
    XPU_ASSIGN_OR_RETURN(bridge.blocks, Split<IpPrefix>(row.Text(12)));
  }
  return bridge;
}

void Table<LogicalBridge>::Bind(const LogicalBridge& bridge, Statement* put) {
  put->Bind(1, bridge.id).Bind(2, static_cast<int64_t>(bridge.vlan_id));
  BindNumber(3, bridge.vni, put);
  BindAddress(4, bridge.vtep, put);
  put->Bind(5, static_cast<int64_t>(bridge.network_key));
  put->Bind(6, Join(bridge.prefixes)).Bind(7, Join(bridge.gateways));
  put->Bind(8, static_cast<int64_t>(bridge.mtu));
  put->Bind(9, Join(bridge.dns.servers)).Bind(10, bridge.dns.domain);
  put->Bind(11, absl::StrJoin(bridge.dns.search, " "));
  put->Bind(12, static_cast<int64_t>(bridge.lease_time));
  bridge.blocks.has_value() ? put->Bind(13, Join(*bridge.blocks)) : put->BindNull(13);
}

absl::StatusOr<BridgePort> Table<BridgePort>::Read(const Statement& row) {
  BridgePort port;
  port.id = row.Text(0);
  XPU_ASSIGN_OR_RETURN(port.mac, MacAddress::Parse(row.Text(1)));
  port.type = row.Int(2) != 0 ? BridgePortType::kTrunk : BridgePortType::kAccess;
  port.logical_bridges = absl::StrSplit(row.Text(3), ' ', absl::SkipEmpty());
  port.bound = row.Int(4) != 0;
  XPU_ASSIGN_OR_RETURN(port.addresses, Split<InterfaceAddress>(row.Text(5)));
  port.claim = row.Int(6);
  if (!row.IsNull(7)) port.vlan = static_cast<uint16_t>(row.Int(7));
  int column = 8;
  for (Bandwidth* bandwidth : {&port.bandwidth, &port.pod_bandwidth}) {
    for (RateLimit* limit : {&bandwidth->ingress, &bandwidth->egress}) {
      limit->rate = static_cast<uint64_t>(row.Int(column++));
      limit->burst = static_cast<uint64_t>(row.Int(column++));
    }
  }
  return port;
}

void Table<BridgePort>::Bind(const BridgePort& port, Statement* put) {
  put->Bind(1, port.id).Bind(2, port.mac.ToString());
  put->Bind(3, static_cast<int64_t>(port.type == BridgePortType::kTrunk));
  put->Bind(4, absl::StrJoin(port.logical_bridges, " "));
  put->Bind(5, static_cast<int64_t>(port.bound)).Bind(6, Join(port.addresses));
  put->Bind(7, port.claim);
  BindNumber(8, port.vlan, put);
  int parameter = 9;
  for (const Bandwidth* bandwidth : {&port.bandwidth, &port.pod_bandwidth}) {
    for (const RateLimit* limit : {&bandwidth->ingress, &bandwidth->egress}) {
      put->Bind(parameter++, static_cast<int64_t>(limit->rate));
      put->Bind(parameter++, static_cast<int64_t>(limit->burst));
    }
  }
}

absl::StatusOr<Svi> Table<Svi>::Read(const Statement& row) {
  Svi svi;
  svi.id = row.Text(0);
  svi.vrf = row.Text(1);
  svi.logical_bridge = row.Text(2);
  XPU_ASSIGN_OR_RETURN(svi.mac, MacAddress::Parse(row.Text(3)));
  XPU_ASSIGN_OR_RETURN(svi.gateways, Split<InterfaceAddress>(row.Text(4)));
  svi.enable_bgp = row.Int(5) != 0;
  svi.remote_as = static_cast<uint32_t>(row.Int(6));
  return svi;
}

void Table<Svi>::Bind(const Svi& svi, Statement* put) {
  put->Bind(1, svi.id).Bind(2, svi.vrf).Bind(3, svi.logical_bridge).Bind(4, svi.mac.ToString());
  put->Bind(5, Join(svi.gateways)).Bind(6, static_cast<int64_t>(svi.enable_bgp));
  put->Bind(7, static_cast<int64_t>(svi.remote_as));
}

absl::StatusOr<RemotePort> Table<RemotePort>::Read(const Statement& row) {
  RemotePort port;
  port.id = row.Text(0);
  port.logical_bridge = row.Text(1);
  XPU_ASSIGN_OR_RETURN(port.mac, MacAddress::Parse(row.Text(2)));
  XPU_ASSIGN_OR_RETURN(port.addresses, Split<InterfaceAddress>(row.Text(3)));
  XPU_ASSIGN_OR_RETURN(port.vtep, IpAddress::Parse(row.Text(4)));
  return port;
}

void Table<RemotePort>::Bind(const RemotePort& port, Statement* put) {
  put->Bind(1, port.id).Bind(2, port.logical_bridge).Bind(3, port.mac.ToString());
  put->Bind(4, Join(port.addresses)).Bind(5, port.vtep.ToString());
}

absl::StatusOr<NetworkFunction> Table<NetworkFunction>::Read(const Statement& row) {
  NetworkFunction function;
  function.id = row.Text(0);
  int column = 1;
  for (NetworkFunctionPort* port : {&function.input, &function.output}) {
    port->port = row.Text(column++);
    XPU_ASSIGN_OR_RETURN(port->mac, MacAddress::Parse(row.Text(column++)));
    port->claim = row.Int(column++);
  }
  function.logical_bridge = row.Text(7);
  if (!row.IsNull(8)) function.vlan = static_cast<uint16_t>(row.Int(8));
  function.position = static_cast<uint32_t>(row.Int(9));
  function.chain = row.Text(10);
  return function;
}

void Table<NetworkFunction>::Bind(const NetworkFunction& function, Statement* put) {
  put->Bind(1, function.id);
  int parameter = 2;
  for (const NetworkFunctionPort* port : {&function.input, &function.output}) {
    put->Bind(parameter++, port->port);
    put->Bind(parameter++, port->mac.ToString());
    put->Bind(parameter++, port->claim);
  }
  put->Bind(8, function.logical_bridge);
  BindNumber(9, function.vlan, put);
  put->Bind(10, static_cast<int64_t>(function.position));
  put->Bind(11, function.chain);
}

}  // namespace xpu
