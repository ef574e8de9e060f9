#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/sqlite/database.h"
#include "xpu-agent/model/model.h"

namespace xpu {

// How the objects of the model lie in the tables of a SQLite file, one row an object.

// The schema, as Database::Open() takes it.
const std::vector<std::string>& ModelMigrations();

// Of each kind: the table, its columns with "id" first, a row that a SELECT of these columns gave, and the
// values of an INSERT of them. Read() is InvalidArgument for what no such object can have written.
template <typename T>
struct Table;

template <>
struct Table<Vrf> {
  static constexpr absl::string_view kName = "vrfs";
  static constexpr absl::string_view kColumns = "id, vni, loopback, vtep, vrf_key";
  static absl::StatusOr<Vrf> Read(const Statement& row);
  static void Bind(const Vrf& vrf, Statement* put);
};

template <>
struct Table<LogicalBridge> {
  static constexpr absl::string_view kName = "bridges";
  static constexpr absl::string_view kColumns =
      "id, vlan_id, vni, vtep, network_key, prefixes, gateways, mtu, dns_servers, domain, search, "
      "lease_time, "
      "blocks";
  static absl::StatusOr<LogicalBridge> Read(const Statement& row);
  static void Bind(const LogicalBridge& bridge, Statement* put);
};

template <>
struct Table<BridgePort> {
  static constexpr absl::string_view kName = "ports";
  static constexpr absl::string_view kColumns =
      "id, mac, trunk, bridges, bound, addresses, claim, vlan, ingress_rate, ingress_burst, egress_rate, "
      "egress_burst, pod_ingress_rate, pod_ingress_burst, pod_egress_rate, pod_egress_burst";
  static absl::StatusOr<BridgePort> Read(const Statement& row);
  static void Bind(const BridgePort& port, Statement* put);
};

template <>
struct Table<Svi> {
  static constexpr absl::string_view kName = "svis";
  static constexpr absl::string_view kColumns = "id, vrf, bridge, mac, gateways, enable_bgp, remote_as";
  static absl::StatusOr<Svi> Read(const Statement& row);
  static void Bind(const Svi& svi, Statement* put);
};

template <>
struct Table<RemotePort> {
  static constexpr absl::string_view kName = "remote_ports";
  static constexpr absl::string_view kColumns = "id, bridge, mac, addresses, vtep";
  static absl::StatusOr<RemotePort> Read(const Statement& row);
  static void Bind(const RemotePort& port, Statement* put);
};

template <>
struct Table<NetworkFunction> {
  static constexpr absl::string_view kName = "network_functions";
  static constexpr absl::string_view kColumns =
      "id, input, input_mac, input_claim, output, output_mac, output_claim, bridge, vlan, position, "
      "chain";
  static absl::StatusOr<NetworkFunction> Read(const Statement& row);
  static void Bind(const NetworkFunction& function, Statement* put);
};

}  // namespace xpu
