// Kinds as other projects declare them, held to their rules in CEL: gateways and routes, certificates,
// attachments of networks, policies for SR-IOV, cards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/api/yaml.h"
#include "control-plane/apiserver/store/store_testing.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json FromYaml(absl::string_view text) {
  const auto documents = api::YamlToJson(text, "test");
  EXPECT_TRUE(documents.ok()) << documents.status();
  return documents.ok() ? documents->front().value : json();
}

class CrdRulesTest : public MemoryStoreTest {
 protected:
  // Declares a kind by the schema of its spec.
  const api::KindInfo& Declare(const std::string& kind, const std::string& plural, const char* spec_schema) {
    const json crd = {
        {"apiVersion", "apiextensions.k8s.io/v1"},
        {"kind", "CustomResourceDefinition"},
        {"metadata", {{"name", plural + ".example.org"}}},
        {"spec",
         {{"group", "example.org"},
          {"scope", "Namespaced"},
          {"names", {{"kind", kind}, {"plural", plural}}},
          {"versions",
           {{{"name", "v1"},
             {"served", true},
             {"storage", true},
             {"schema",
              {{"openAPIV3Schema",
                {{"type", "object"}, {"properties", {{"spec", FromYaml(spec_schema)}}}}}}}}}}}}};
    Make(crd);
    kind_ = kind;
    return Kind("example.org/v1", kind_.c_str());
  }

  json Object(const char* spec) const {
    return {{"apiVersion", "example.org/v1"},
            {"kind", kind_},
            {"metadata", {{"name", "a"}, {"namespace", "default"}}},
            {"spec", FromYaml(spec)}};
  }

  // What is said of a creation; empty if it is taken, and the object is gone again then.
  std::string Creation(const api::KindInfo& kind, const char* spec) {
    const auto made = store_->Create(kind, Object(spec));
    if (made.ok()) {
      EXPECT_TRUE(store_->Delete(kind, {"default", "a"}, {}).ok());
      return "";
    }
    EXPECT_EQ(Code(made.status()), 422) << made.status();
    return std::string(made.status().message());
  }

  // The same of an update.
  std::string Change(const api::KindInfo& kind, const char* from, const char* to) {
    json object = Make(Object(from));
    object["spec"] = FromYaml(to);
    const absl::Status updated = store_->Update(kind, {"default", "a"}, Part::kMain, object).status();
    EXPECT_TRUE(store_->Delete(kind, {"default", "a"}, {}).ok());
    if (updated.ok()) return "";
    EXPECT_EQ(Code(updated), 422) << updated;
    return std::string(updated.message());
  }

  std::string kind_;
};

TEST_F(CrdRulesTest, RoutesOfAGateway) {
  const api::KindInfo& routes = Declare("Route", "routes", R"yaml(
type: object
properties:
  hostnames:
    type: array
    maxItems: 16
    items: {type: string, maxLength: 253}
    x-kubernetes-validations:
    - rule: "self.all(h, !isIP(h) && (h.startsWith('*.') ? h.substring(2) : h).matches('^[a-z0-9.-]+$'))"
      message: hostnames are names, with at most one wildcard in front
  rules:
    type: array
    maxItems: 16
    items:
      type: object
      properties:
        name: {type: string, maxLength: 60}
        path:
          type: object
          properties:
            type: {type: string, enum: [Exact, PathPrefix, RegularExpression], default: PathPrefix}
            value: {type: string, maxLength: 1024, default: /}
          x-kubernetes-validations:
          - rule: "self.type in ['Exact', 'PathPrefix'] ? self.value.startsWith('/') : true"
            message: value must be an absolute path and start with '/'
          - rule: "self.type in ['Exact', 'PathPrefix'] ? !self.value.contains('//') : true"
            message: value must not contain '//'
        backendRefs:
          type: array
          maxItems: 16
          items:
            type: object
            required: [name]
            properties:
              group: {type: string, default: ""}
              kind: {type: string, default: Service}
              name: {type: string}
              port: {type: integer}
              weight: {type: integer, default: 1}
            x-kubernetes-validations:
            - rule: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true"
              message: must have port for Service reference
        timeouts:
          type: object
          properties:
            request: {type: string}
            backendRequest: {type: string}
          x-kubernetes-validations:
          - rule: "!(has(self.request) && has(self.backendRequest) && duration(self.request) != duration('0s') && duration(self.backendRequest) > duration(self.request))"
            message: backendRequest timeout cannot be longer than request timeout
x-kubernetes-validations:
- rule: "!has(self.rules) || self.rules.all(l1, !has(l1.name) || self.rules.exists_one(l2, has(l2.name) && l1.name == l2.name))"
  message: Rule name must be unique within the route
- rule: "!has(self.rules) || self.rules.map(r, has(r.backendRefs) ? r.backendRefs.map(b, b.weight).sum() : 1).all(w, w > 0)"
  messageExpression: "'%d rules, one of which sends nothing anywhere'.format([self.rules.size()])"
)yaml");
  EXPECT_EQ(Creation(routes,
                     "{hostnames: ['*.example.org', a.example.org], rules: [{name: one, path: {value: /a}}, "
                     "{name: two, backendRefs: [{name: web, port: 80}], "
                     "timeouts: {request: 10s, backendRequest: 5s}}]}"),
            "");
  EXPECT_THAT(Creation(routes, "{hostnames: [10.0.0.1]}"),
              HasSubstr("spec.hostnames: Invalid value: \"array\": hostnames are"));
  EXPECT_THAT(Creation(routes, "{rules: [{path: {value: a}}]}"),
              HasSubstr("spec.rules[0].path: Invalid value: \"object\": value must be an absolute path"));
  EXPECT_EQ(Creation(routes, "{rules: [{path: {type: RegularExpression, value: a//b}}]}"), "");
  EXPECT_THAT(Creation(routes, "{rules: [{path: {value: /a//b}}]}"), HasSubstr("must not contain '//'"));
  EXPECT_THAT(Creation(routes, "{rules: [{backendRefs: [{name: web}]}]}"),
              HasSubstr("spec.rules[0].backendRefs[0]: Invalid value: \"object\": must have port"));
  EXPECT_THAT(Creation(routes, "{rules: [{name: a}, {name: b}, {name: a}]}"),
              HasSubstr("Rule name must be unique"));
  EXPECT_THAT(Creation(routes, "{rules: [{timeouts: {request: 1s, backendRequest: 1m}}]}"),
              HasSubstr("cannot be longer"));
  EXPECT_THAT(Creation(routes, "{rules: [{}, {backendRefs: [{name: web, port: 80, weight: 0}]}]}"),
              HasSubstr("2 rules, one of which sends nothing anywhere"));
}

TEST_F(CrdRulesTest, CertificatesAndTheirIssuers) {
  const api::KindInfo& certificates = Declare("Certificate", "certificates", R"yaml(
type: object
required: [secretName]
properties:
  secretName: {type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: secretName is immutable}]}
  duration: {type: string, format: duration}
  renewBefore: {type: string, format: duration}
  dnsNames: {type: array, items: {type: string}, x-kubernetes-list-type: set}
  ipAddresses: {type: array, items: {type: string, x-kubernetes-validations: [{rule: isIP(self)}]}}
  uris: {type: array, items: {type: string, x-kubernetes-validations: [{rule: "isURL(self) && url(self).getScheme() in ['spiffe', 'https']"}]}}
  privateKey:
    type: object
    properties:
      algorithm: {type: string}
      size: {type: integer}
    x-kubernetes-validations:
    - rule: "!has(self.size) || self.algorithm != 'RSA' || self.size in [2048, 4096, 8192]"
      fieldPath: .size
      reason: FieldValueInvalid
      message: of an RSA key must be 2048, 4096 or 8192
  issuer:
    type: object
    properties: {acme: {type: object, properties: {server: {type: string}}}, ca: {type: object, properties: {secretName: {type: string}}}, selfSigned: {type: object, properties: {x: {type: string}}}}
    x-kubernetes-validations:
    - rule: "[has(self.acme), has(self.ca), has(self.selfSigned)].filter(x, x).size() == 1"
      message: exactly one of acme, ca and selfSigned must be set
x-kubernetes-validations:
- rule: "!has(self.renewBefore) || self.renewBefore < (has(self.duration) ? self.duration : duration('2160h'))"
  message: renewBefore must be less than duration
- rule: "has(self.dnsNames) || has(self.ipAddresses) || has(self.uris)"
  reason: FieldValueRequired
  message: at least one name is needed
- rule: "!has(oldSelf.issuer) || has(self.issuer)"
  message: the issuer cannot be taken away
)yaml");
  EXPECT_EQ(Creation(certificates,
                     "{secretName: s, duration: 24h, renewBefore: 8h, dnsNames: [a], ipAddresses: ['::1'], "
                     "uris: ['spiffe://a/b'], privateKey: {algorithm: RSA, size: 2048}, issuer: {ca: {}}}"),
            "");
  EXPECT_THAT(Creation(certificates, "{secretName: s, dnsNames: [a], renewBefore: 2161h}"),
              HasSubstr("less than duration"));
  EXPECT_THAT(Creation(certificates, "{secretName: s}"),
              HasSubstr("spec: Required value: at least one name is needed"));
  EXPECT_THAT(Creation(certificates, "{secretName: s, ipAddresses: [a]}"),
              HasSubstr("spec.ipAddresses[0]: Invalid value: \"string\": failed rule: isIP(self)"));
  EXPECT_THAT(Creation(certificates, "{secretName: s, uris: ['http://a/']}"), HasSubstr("spec.uris[0]"));
  EXPECT_THAT(
      Creation(certificates, "{secretName: s, dnsNames: [a], privateKey: {algorithm: RSA, size: 1024}}"),
      HasSubstr("spec.privateKey.size: Invalid value: \"object\": of an RSA key must be"));
  EXPECT_THAT(Creation(certificates, "{secretName: s, dnsNames: [a], issuer: {ca: {}, acme: {}}}"),
              HasSubstr("exactly one of"));
  EXPECT_THAT(Change(certificates, "{secretName: s, dnsNames: [a]}", "{secretName: t, dnsNames: [a]}"),
              HasSubstr("secretName is immutable"));
  EXPECT_THAT(Change(certificates, "{secretName: s, dnsNames: [a], issuer: {ca: {}}}",
                     "{secretName: s, dnsNames: [a]}"),
              HasSubstr("the issuer cannot be taken away"));
  EXPECT_EQ(Change(certificates, "{secretName: s, dnsNames: [a]}",
                   "{secretName: s, dnsNames: [b], issuer: {ca: {}}}"),
            "");
}

TEST_F(CrdRulesTest, PoliciesForVirtualFunctions) {
  const api::KindInfo& policies = Declare("NodePolicy", "nodepolicies", R"yaml(
type: object
required: [numVfs, resourceName, nicSelector]
properties:
  numVfs: {type: integer, minimum: 0}
  mtu: {type: integer, minimum: 1}
  priority: {type: integer, maximum: 99, minimum: 0, default: 99}
  resourceName: {type: string, pattern: "^[a-zA-Z0-9_]+$"}
  deviceType: {type: string, enum: [netdevice, vfio-pci], default: netdevice}
  isRdma: {type: boolean, default: false}
  eSwitchMode: {type: string, enum: [legacy, switchdev]}
  externallyManaged: {type: boolean, default: false}
  resources: {type: object, additionalProperties: {x-kubernetes-int-or-string: true}}
  nicSelector:
    type: object
    properties:
      vendor: {type: string}
      rootDevices: {type: array, items: {type: string}}
      pfNames: {type: array, items: {type: string}}
x-kubernetes-validations:
- rule: "!(self.isRdma && self.deviceType == 'vfio-pci')"
  message: "'deviceType: vfio-pci' conflicts with 'isRdma: true'; set one of them"
- rule: "!has(self.eSwitchMode) || self.eSwitchMode != 'switchdev' || !self.externallyManaged"
  message: switchdev is not for what is managed externally
- rule: "has(self.nicSelector.vendor) || has(self.nicSelector.rootDevices) || has(self.nicSelector.pfNames)"
  fieldPath: .nicSelector
  message: at least one of vendor, rootDevices and pfNames must be set
- rule: "self.?nicSelector.rootDevices.orValue([]).all(d, d.matches('^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f].[0-7]$'))"
  message: rootDevices are PCI addresses
- rule: "self.?nicSelector.pfNames.orValue([]).all(n, !n.contains('#') || int(n.split('#')[1].split('-')[0]) <= int(n.split('#')[1].split('-')[1]) && int(n.split('#')[1].split('-')[1]) < self.numVfs)"
  message: the range behind '#' must lie in numVfs
- rule: "!has(self.resources) || self.resources.all(r, type(self.resources[r]) == int ? self.resources[r] >= 0 : isQuantity(self.resources[r]) && quantity(self.resources[r]).isLessThan(quantity('1Ti')))"
  message: resources are quantities below 1Ti
)yaml");
  EXPECT_EQ(Creation(policies,
                     "{numVfs: 8, resourceName: vfs, nicSelector: {rootDevices: ['0000:3b:00.0'], "
                     "pfNames: [ens1, 'ens2#0-3']}, resources: {memory: 2Gi, cpu: 4}}"),
            "");
  EXPECT_THAT(Creation(policies,
                       "{numVfs: 8, resourceName: vfs, nicSelector: {vendor: '15b3'}, isRdma: true, "
                       "deviceType: vfio-pci}"),
              HasSubstr("conflicts with 'isRdma: true'"));
  EXPECT_THAT(Creation(policies,
                       "{numVfs: 8, resourceName: vfs, nicSelector: {vendor: '15b3'}, eSwitchMode: "
                       "switchdev, externallyManaged: true}"),
              HasSubstr("managed externally"));
  EXPECT_THAT(Creation(policies, "{numVfs: 8, resourceName: vfs, nicSelector: {}}"),
              HasSubstr("spec.nicSelector: Invalid value: \"object\": at least one of vendor"));
  EXPECT_THAT(Creation(policies, "{numVfs: 8, resourceName: vfs, nicSelector: {rootDevices: ['3b:00.0']}}"),
              HasSubstr("PCI addresses"));
  EXPECT_THAT(Creation(policies, "{numVfs: 4, resourceName: vfs, nicSelector: {pfNames: ['ens2#0-7']}}"),
              HasSubstr("must lie in numVfs"));
  EXPECT_THAT(Creation(policies, "{numVfs: 9, resourceName: vfs, nicSelector: {pfNames: ['ens2#a-7']}}"),
              HasSubstr("'a' cannot be converted to int evaluating rule"));
  EXPECT_THAT(Creation(policies,
                       "{numVfs: 4, resourceName: vfs, nicSelector: {vendor: a}, resources: {memory: 2Ti}}"),
              HasSubstr("below 1Ti"));
  EXPECT_THAT(
      Creation(policies, "{numVfs: 4, resourceName: vfs, nicSelector: {vendor: a}, resources: {memory: 2X}}"),
      HasSubstr("below 1Ti"));
}

TEST_F(CrdRulesTest, CardsAndTheNetworksThatTheyServe) {
  const api::KindInfo& cards = Declare("Dpu", "dpus", R"yaml(
type: object
required: [pciAddress]
properties:
  pciAddress: {type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: Value is immutable}]}
  bmcIP: {type: string, x-kubernetes-validations: [{rule: "ip(self).isGlobalUnicast() && ip(self).family() == 4"}]}
  phase: {type: string, enum: [Pending, Installing, Ready]}
  vlans: {type: array, x-kubernetes-list-type: set, maxItems: 64, items: {type: integer}}
  networks:
    type: array
    maxItems: 16
    x-kubernetes-list-type: map
    x-kubernetes-list-map-keys: [name]
    items:
      type: object
      required: [name, subnet]
      properties:
        name: {type: string}
        subnet: {type: string}
        gateway: {type: string}
      x-kubernetes-validations:
      - rule: "isCIDR(self.subnet) && cidr(self.subnet).masked() == cidr(self.subnet)"
        message: subnet must be a prefix without host bits
      - rule: "!has(self.gateway) || isIP(self.gateway) && cidr(self.subnet).containsIP(self.gateway)"
        message: gateway must lie in subnet
      - rule: self.subnet == oldSelf.subnet
        message: the subnet of a network cannot be changed
    x-kubernetes-validations:
    - rule: "self.all(a, self.all(b, a.name == b.name || !cidr(a.subnet).containsCIDR(b.subnet)))"
      message: subnets must not overlap
x-kubernetes-validations:
- rule: "!oldSelf.hasValue() ? !has(self.phase) || self.phase == 'Pending' : {'Pending': ['Pending', 'Installing'], 'Installing': ['Installing', 'Ready'], 'Ready': ['Ready']}[oldSelf.phase.orValue('Pending')].exists(p, p == self.phase)"
  optionalOldSelf: true
  messageExpression: "'phase cannot become ' + self.phase"
- rule: "!has(self.vlans) || (sets.contains(self.vlans, oldSelf.?vlans.orValue([])) && self.vlans.min() >= 1 && self.vlans.max() <= 4094)"
  message: VLANs are 1 to 4094 and are only added
)yaml");
  constexpr char kCard[] =
      "{pciAddress: '0000:03:00.0', bmcIP: 192.0.2.1, phase: Pending, vlans: [7, 5], "
      "networks: [{name: a, subnet: 10.0.0.0/24, gateway: 10.0.0.1}, {name: b, subnet: 'fd00::/64'}]}";
  EXPECT_EQ(Creation(cards, kCard), "");
  EXPECT_THAT(Creation(cards, "{pciAddress: a, bmcIP: 127.0.0.1}"), HasSubstr("spec.bmcIP"));
  EXPECT_THAT(Creation(cards, "{pciAddress: a, bmcIP: nowhere}"),
              HasSubstr("'nowhere' is no IP address evaluating rule"));
  EXPECT_THAT(Creation(cards, "{pciAddress: a, networks: [{name: a, subnet: 10.0.0.1/24}]}"),
              HasSubstr("without host bits"));
  EXPECT_THAT(
      Creation(cards, "{pciAddress: a, networks: [{name: a, subnet: 10.0.0.0/24, gateway: 10.0.1.1}]}"),
      HasSubstr("must lie in subnet"));
  EXPECT_THAT(
      Creation(cards,
               "{pciAddress: a, networks: [{name: a, subnet: 10.0.0.0/8}, {name: b, subnet: 10.1.0.0/16}]}"),
      HasSubstr("must not overlap"));
  EXPECT_THAT(Creation(cards, "{pciAddress: a, phase: Ready}"), HasSubstr("phase cannot become Ready"));
  EXPECT_EQ(Change(cards, "{pciAddress: a, phase: Pending}", "{pciAddress: a, phase: Installing}"), "");
  EXPECT_THAT(Change(cards, "{pciAddress: a, phase: Pending}", "{pciAddress: a, phase: Ready}"),
              HasSubstr("phase cannot become Ready"));
  EXPECT_THAT(Change(cards, "{pciAddress: a, phase: Pending}", "{pciAddress: b, phase: Pending}"),
              HasSubstr("Value is immutable"));
  EXPECT_THAT(Change(cards, "{pciAddress: a, phase: Pending, vlans: [1, 2]}",
                     "{pciAddress: a, phase: Pending, vlans: [2]}"),
              HasSubstr("only added"));
  EXPECT_EQ(Change(cards, "{pciAddress: a, phase: Pending, vlans: [1, 2]}",
                   "{pciAddress: a, phase: Pending, vlans: [3, 2, 1]}"),
            "");
  EXPECT_THAT(
      Change(cards, "{pciAddress: a, phase: Pending, networks: [{name: a, subnet: 10.0.0.0/24}]}",
             "{pciAddress: a, phase: Pending, networks: [{name: b, subnet: 10.0.1.0/24}, {name: a, subnet: "
             "10.0.2.0/24}]}"),
      HasSubstr("spec.networks[1]: Invalid value: \"object\": the subnet of a network cannot be changed"));
}

TEST_F(CrdRulesTest, AttachmentsOfNetworks) {
  const api::KindInfo& attachments = Declare("Attachment", "attachments", R"yaml(
type: object
properties:
  config:
    type: string
    maxLength: 4096
    x-kubernetes-validations:
    - rule: "self == '' || self.trim().startsWith('{') && self.trim().endsWith('}')"
      message: config is a JSON object
    - rule: "self.find('\"type\": *\"[a-z0-9-]+\"') != '' || self == ''"
      message: config names the type of its plugin
)yaml");
  EXPECT_EQ(Creation(attachments, R"({config: ' {"cniVersion": "1.0.0", "type": "xpu-cni"} '})"), "");
  EXPECT_THAT(Creation(attachments, "{config: 'xpu-cni'}"), HasSubstr("config is a JSON object"));
  EXPECT_THAT(Creation(attachments, "{config: '{}'}"),
              HasSubstr("spec.config: Invalid value: \"string\": config names the type"));
}

}  // namespace
}  // namespace xpu::apiserver
